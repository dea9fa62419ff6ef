// Package money holds amounts: integer minor units and an ISO 4217 currency. It never uses floats.
package money

import (
	"errors"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// Max is the largest amount in minor units: 2⁵³−1, the largest integer that every JSON client reads exactly.
const Max = 1<<53 - 1

// ErrTooLarge says that a sum or a product exceeds Max.
var ErrTooLarge = errors.New("the amount exceeds 2⁵³−1 minor units")

// Amount is an amount of money in its JSON form.
type Amount struct {
	Amount   int64  `json:"amount" example:"1999"`  // minor units: pence, cents
	Currency string `json:"currency" example:"GBP"` // ISO 4217, upper case
}

// Of returns an amount of minor units in a currency.
func Of(minor int64, code string) Amount { return Amount{Amount: minor, Currency: code} }

// successors maps each currency that has ended since 2000 to its present successor.
var successors = map[string]string{
	"AFA": "AFN", "ANG": "XCG", "ATS": "EUR", "AZM": "AZN", "BEF": "EUR", "BGN": "EUR", "BYB": "BYN", "BYR": "BYN", "CSD": "RSD", "CUC": "CUP",
	"CYP": "EUR", "DEM": "EUR", "EEK": "EUR", "ESP": "EUR", "FIM": "EUR", "FRF": "EUR", "GHC": "GHS", "GRD": "EUR", "HRK": "EUR", "IEP": "EUR",
	"ITL": "EUR", "LTL": "EUR", "LUF": "EUR", "LVL": "EUR", "MGF": "MGA", "MRO": "MRU", "MTL": "EUR", "MZM": "MZN", "NLG": "EUR", "PTE": "EUR",
	"ROL": "RON", "SDD": "SDG", "SIT": "EUR", "SKK": "EUR", "SLL": "SLE", "SRG": "SRD", "STD": "STN", "TMM": "TMT", "TRL": "TRY", "VEB": "VES",
	"VEF": "VES", "YUM": "RSD", "ZMK": "ZMW", "ZWD": "ZWG", "ZWL": "ZWG", "ZWN": "ZWG", "ZWR": "ZWG",
}

// endedDigits holds the currencies that have ended but may occur in carts and orders, with their number of minor-unit digits.
// Stored amounts keep their currency.
var endedDigits = map[string]uint8{"ANG": 2, "BGN": 2}

// ValidCurrency reports whether code is a current ISO 4217 currency, or an ended one that stored amounts may have.
func ValidCurrency(code string) bool {
	_, ok := Digits(code)
	return ok
}

// Successor returns the successor of a currency that has ended since 2000, and "" for any other.
func Successor(code string) string { return successors[code] }

// Digits returns the number of digits that are minor units. ok is false when code is no currency.
func Digits(code string) (digits uint8, ok bool) {
	if digits, ok = endedDigits[code]; ok {
		return digits, true
	}
	return currency.GetDigits(code)
}

// Grouped returns text with commas between the thousands of the number at its start: "1,234.50 GBP".
func Grouped(text string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		sign, text = "-", rest
	}
	whole := len(text)
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		whole = i
	}
	for i := whole - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// Add sums minor units. It refuses a sum beyond ±Max.
func Add(a, b int64) (int64, error) {
	sum := a + b // both within ±2⁵³, so this cannot wrap
	if sum > Max || sum < -Max {
		return 0, ErrTooLarge
	}
	return sum, nil
}

// Times multiplies a price by a quantity, neither negative. It refuses a product beyond Max.
func Times(price, quantity int64) (int64, error) {
	if quantity != 0 && price > Max/quantity {
		return 0, ErrTooLarge
	}
	return price * quantity, nil
}

// String formats the amount for people: "19.99 GBP".
func (a Amount) String() string {
	digits, ok := Digits(a.Currency)
	if !ok || digits == 0 {
		return strconv.FormatInt(a.Amount, 10) + " " + a.Currency
	}
	sign, n := "", a.Amount
	if n < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatInt(n, 10)
	if pad := int(digits) + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	cut := len(s) - int(digits)
	return sign + s[:cut] + "." + s[cut:] + " " + a.Currency
}
