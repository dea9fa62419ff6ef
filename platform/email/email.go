// Package email checks e-mail addresses, and folds them so that two spellings of one address are equal.
package email

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The limits of RFC 5321, in bytes of UTF-8 (4.5.3.1, and erratum 1690 for the whole).
const (
	maxLocal  = 64
	maxDomain = 255
	maxWhole  = 254
)

// maxLabel is the limit of DNS for a label of a domain in its ASCII form, in bytes (RFC 1035, 2.3.4; RFC 5890, 2.3.2.1).
const maxLabel = 63

var syntax = validator.New()

// Flaw returns a sentence with the reason why an address is refused, or "" for a valid one. It accepts letters of every script on
// both sides of the @. It refuses spaces and invisible characters, also at the ends.
func Flaw(address string) string {
	for at, r := range []rune(address) {
		if invisible(r) {
			return fmt.Sprintf("It must not contain spaces or invisible characters. Character %d is %U.", at+1, r)
		}
	}
	at := strings.LastIndexByte(address, '@')
	switch {
	case at > maxLocal:
		return fmt.Sprintf("The part before the @ must be at most %d bytes long.", maxLocal)
	case at >= 0 && len(address)-at-1 > maxDomain:
		return fmt.Sprintf("The part after the @ must be at most %d bytes long.", maxDomain)
	case len(address) > maxWhole:
		return fmt.Sprintf("It must be at most %d bytes long.", maxWhole)
	case hasLongLabel(address[at+1:]):
		return fmt.Sprintf("Each label of the domain must be at most %d bytes long, in its ASCII form.", maxLabel)
	case syntax.Var(address, "email") != nil:
		return "It must be an e-mail address."
	}
	return ""
}

// hasLongLabel reports whether a label of a domain is too long for DNS. Letters beyond ASCII count as Punycode.
func hasLongLabel(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		if ascii, _ := idna.Punycode.ToASCII(label); len(ascii) > maxLabel { // an invalid xn-- label comes back unchanged
			return true
		}
	}
	return false
}

// invisible reports whether a character has no visible form: spaces, control and format characters, variation selectors, fillers.
// Unassigned and private characters count too: the next version of Unicode may change their folding.
func invisible(r rune) bool {
	const braillePatternBlank = '\u2800'
	return r == ' ' || r == braillePatternBlank || !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// maxFolded is well below the largest entry of an index in PostgreSQL, 2,704 bytes. NFKC can make 33 bytes of 3.
const maxFolded = 1000

// Fold returns the form for comparing addresses. Letter case, the normal form, and compatibility variants such as full-width
// letters make no difference (Unicode's NFKC_Casefold). It drops invisible characters, since addresses stored earlier may hold
// some. It takes any text, and cuts the result at 1,000 bytes.
func Fold(address string) string {
	visible := strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, norm.NFKC.String(address))
	// ToLower too, since cases.Fold swaps the two cases of Cherokee.
	folded := norm.NFKC.String(strings.ToLower(cases.Fold().String(visible)))
	if len(folded) <= maxFolded {
		return folded
	}
	cut := maxFolded
	for !utf8.RuneStart(folded[cut]) {
		cut--
	}
	return folded[:cut]
}
