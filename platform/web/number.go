package web

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// These limit a number in a raw member. The type of any other member has its own limits.
const (
	maxNumber      = 32 // characters
	maxSignificant = 17 // digits: those of a float64
)

// checkNumber refuses a number that clients cannot read as a float64 without loss (RFC 8259, 6), and a card number. d has just read it.
func checkNumber(d *jsontext.Decoder, number string) error {
	at := pathOf(d.StackPointer())
	value, err := strconv.ParseFloat(number, 64)
	mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
	digits := strings.Trim(strings.Replace(strings.TrimPrefix(mantissa, "-"), ".", "", 1), "0")
	switch {
	case hasCardNumber(wholePart(number)):
		return errCardNumber.At(at)
	case err != nil || len(number) > maxNumber || len(digits) > maxSignificant || value == 0 && digits != "":
		return Refused(at, "number", fmt.Sprintf("It must be in the range of a 64-bit floating-point number, with at most %d significant digits and %d characters. "+
			"Write it as a string otherwise.", maxSignificant, maxNumber))
	}
	return nil
}

// wholePart returns the digits of a number before its decimal point, without an exponent. It returns "" where there are none or more
// than 19, since no card number has these. So it never expands a huge exponent, and takes little memory.
func wholePart(number string) string {
	value, err := strconv.ParseFloat(number, 64)
	exact, ok := new(big.Rat), false
	if size := math.Abs(value); err == nil && size >= 1 && size < 1e19 {
		exact, ok = exact.SetString(number)
	}
	if !ok {
		return ""
	}
	return new(big.Int).Quo(exact.Num(), exact.Denom()).String()
}

// Readable reports whether clients can read a stored JSON value: it is valid and its numbers are in the range of a float64.
func Readable(raw []byte) bool {
	if !stdjson.Valid(raw) {
		return false
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := d.ReadToken()
		if err != nil { // the end
			return true
		}
		if token.Kind() == jsontext.KindNumber {
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
				return false
			}
		}
	}
}
