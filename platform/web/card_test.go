package web

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
)

func TestHasCardNumber(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"sixteen digits":        "4111111111111111",
		"in groups":             "4111 1111 1111 1111",
		"with dashes":           "4111-1111-1111-1111",
		"with other dashes":     "4111–1111—1111‐1111",
		"with thin spaces":      "4111\u20091111\u20091111\u00a01111",
		"with zero width":       "4111\u200b1111\u200b1111\u200b1111",
		"thirteen":              "4222222222222",
		"fifteen, in its way":   "3714 496353 98431",
		"nineteen":              "6304000000000000000",
		"among words":           "please use card 4111111111111111, thanks",
		"letters beside it":     "card4111111111111111x",
		"with a check code":     "4111 1111 1111 1111 123",
		"with an expiry date":   "4111111111111111 12 30",
		"after a house number":  "12 4111 1111 1111 1111",
		"Arabic digits":         "٤١١١١١١١١١١١١١١١",
		"fullwidth digits":      "４１１１１１１１１１１１１１１１",
		"mathematical digits":   "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏",
		"in an e-mail address":  "4111111111111111@example.com",
		"lines":                 "4111\n1111\n1111\n1111",
		"beside another number": "1234 and 5555555555554444",
	} {
		assert.True(t, hasCardNumber(text), name)
	}
	for name, text := range map[string]string{
		"another check digit": "4111111111111112",
		"too short":           "411111111116",
		"too long":            "41111111111111111111111111111111",
		"broken by words":     "4111 1111 and 1111 1111",
		"a UUID":              "12345678-1234-4234-8234-123456789015",
		"a date and a time":   "2026-01-31T12:00:00Z",
		"an order number":     "1029-3847-5",
		"a post code":         "SW1A 1AA",
		"nothing":             "",
	} {
		assert.False(t, hasCardNumber(text), name)
	}
}

func TestDigitOf(t *testing.T) {
	t.Parallel()
	for _, row := range unicode.Nd.R16 {
		assert.Zero(t, (row.Hi-row.Lo+1)%10, "%x", row.Lo)
		assert.Equal(t, uint16(1), row.Stride)
	}
	for _, row := range unicode.Nd.R32 {
		assert.Zero(t, (row.Hi-row.Lo+1)%10, "%x", row.Lo)
		assert.Equal(t, uint32(1), row.Stride)
	}
	for r, want := range map[rune]byte{'7': '7', '٧': '7', '𝟩': '7', '०': '0', '９': '9'} {
		digit, ok := digitOf(r)
		assert.True(t, ok)
		assert.Equal(t, want, digit)
	}
}
