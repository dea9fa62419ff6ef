package web

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"shopping-cart/platform/fault"
)

var errCardNumber = fault.New(fault.Invalid, "card_number",
	"This looks like the number of a payment card. Card numbers are not stored here: pay with a token of the payment provider.")

// Card numbers have this many digits.
const (
	minCard = 13
	maxCard = 19
)

// maxGap is the largest number of characters between two digits of one number. They are neither letters nor digits.
const maxGap = 3

// cardGroups matches the lengths of the groups of printed card numbers: 4 4 4 4 and longer, 4 6 5 (American Express),
// 4 6 4 (Diners Club), 6 13 (UnionPay), and 4 4 5 and 4 3 3 3 for thirteen digits.
var cardGroups = regexp.MustCompile(`^(4 4 4 4( [1-3])?|4 6 [45]|6 13|4 4 5|4 3 3 3) $`)

// group is a run of digits without a gap.
type group struct {
	digits string
	loose  bool // the gap before it holds more than spaces, dashes and invisible characters
}

// uuids matches UUIDs. Their digits may look like a card number by chance.
var uuids = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

// hasCardNumber reports whether text contains 13 to 19 digits of any script that pass the check of card numbers (Luhn). Spaces and
// dashes may separate them. With other separators, such as dots, they must be grouped as on a card, since times, dates, coordinates and
// lists of numbers have those too. One in ten other numbers of that length passes by chance.
func hasCardNumber(text string) bool {
	if digits := strings.IndexFunc(text, unicode.IsDigit); digits < 0 || len(text)-digits < minCard {
		return false // nearly all texts
	}
	for _, groups := range numbersIn(uuids.ReplaceAllString(text, "x")) {
		if holdsCard(groups) {
			return true
		}
	}
	return false
}

// numbersIn returns the numbers of text, each as groups of digits.
func numbersIn(text string) (all [][]group) {
	var groups []group
	var digits strings.Builder
	gap, loose := 0, false // since the last digit, and before the group
	endGroup := func() {
		if digits.Len() > 0 {
			groups = append(groups, group{digits.String(), loose})
			digits.Reset()
			loose = false
		}
	}
	endNumber := func() {
		endGroup()
		if len(groups) > 0 {
			all = append(all, groups)
		}
		groups, gap, loose = nil, 0, false
	}
	for _, r := range text {
		switch digit, ok := digitOf(r); {
		case ok:
			digits.WriteByte(digit)
			gap = 0
		case !unicode.IsLetter(r) && !unicode.IsNumber(r) && gap < maxGap:
			endGroup()
			gap++
			loose = loose || !isPlainGap(r)
		default:
			endNumber()
		}
	}
	endNumber()
	return all
}

// holdsCard checks every run of neighbouring groups, since an expiry date or a check code may stand beside the number.
func holdsCard(groups []group) bool {
	for i := range groups {
		digits, lengths, loose := "", "", false
		for k, g := range groups[i:] {
			digits += g.digits
			lengths += strconv.Itoa(len(g.digits)) + " "
			loose = loose || k > 0 && g.loose
			if len(digits) > maxCard {
				break
			}
			if len(digits) >= minCard && (!loose || cardGroups.MatchString(lengths)) && luhn(digits) {
				return true
			}
		}
	}
	return false
}

// luhn reports whether the last of the digits is the check digit of the others (ISO/IEC 7812).
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return sum%10 == 0
}

// isPlainGap reports whether a character often separates the digits of one number: a space, a dash or an invisible character.
func isPlainGap(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r) || r == '\u2212'
}

// digitOf converts a decimal digit of any script to ASCII. Unicode has them in rows of ten.
func digitOf(r rune) (digit byte, ok bool) {
	if '0' <= r && r <= '9' {
		return byte(r), true
	}
	if r < 0x80 || !unicode.IsDigit(r) {
		return 0, false
	}
	for _, row := range unicode.Nd.R16 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return byte('0' + (r-rune(row.Lo))%10), true
		}
	}
	for _, row := range unicode.Nd.R32 {
		if c := uint32(r); row.Lo <= c && c <= row.Hi {
			return byte('0' + (c-row.Lo)%10), true
		}
	}
	return 0, false
}

var (
	phoneName   = regexp.MustCompile(`(?i)phone|mobile|^tel|^fax`)
	phoneNumber = regexp.MustCompile(`^\+[0-9](?:[ ()./-]*[0-9]){0,14}[ ()./-]*$`) // 15 digits at most (E.164)
)

// isPhone reports whether a member is a telephone number in international form. One in ten long ones looks like a card number.
func isPhone(name, text string) bool {
	return phoneName.MatchString(name) && phoneNumber.MatchString(text)
}
