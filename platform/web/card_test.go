package web

import (
	"fmt"
	"testing"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"shopping-cart/platform/fault"
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
		"with dots":             "4111.1111.1111.1111",
		"with slashes":          "4111/1111/1111/1111",
		"with underscores":      "4111_1111_1111_1111",
		"with commas":           "4111,1111,1111,1111",
		"with commas, spaced":   "4111, 1111, 1111, 1111",
		"with colons":           "4111:1111:1111:1111",
		"with pluses":           "4111+1111+1111+1111",
		"with bars":             "4111 | 1111 | 1111 | 1111",
		"with stars":            "4111*1111*1111*1111",
		"in brackets":           "(4111) (1111) (1111) (1111)",
		"one group in brackets": "(4111) 1111 1111 1111",
		"mixed separators":      "4111.1111/1111-1111",
		"emoji between":         "4111💳1111💳1111💳1111",
		"fifteen with dots":     "3714.496353.98431",
		"fourteen with dots":    "3056.930902.5904",
		"nineteen with a slash": "630400/0000000000000",
		"dots and an expiry":    "4111.1111.1111.1111 12/30",
		"after a number, dots":  "12/4111.1111.1111.1111",
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
		"an address":          "Flat 4, 12-14 High St, 1234 AB",
		"a phone number":      "+44 20 7946 0958",
		"two phone numbers":   "020 7946 0958 / 07700 900123",
		"a phone, (0)":        "+44 (0)20 7946 0958",
		"Unix times":          "1769860800, 1769860801",
		"order numbers":       "100000000005, 100000000013 and 100000000021",
		"broken by a gap":     "4111....1111....1111....1111",
		"masked":              "4111 **** **** 1111",
		"with another check":  "4111.1111.1111.1112",
		"not grouped so":      "41.11.11.11.11.11.11.11",
		"prices":              "1999.00 GBP, 2999.00 GBP",
		"an IP address":       "192.168.100.200:8080",
		"a SKU":               "85123A/22752-84029G",
		"EAN parts":           "5-000112/637922",
	} {
		assert.False(t, hasCardNumber(text), name)
	}
}

// TestManyTextsAreNoCardNumbers: of texts that hold many digits in other forms than a card's, none passes by chance.
func TestManyTextsAreNoCardNumbers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 9, 59, 58, 123456000, time.FixedZone("", 5*3600+1800))
	for i := range 1000 {
		then := at.Add(time.Duration(i) * 7919 * time.Second)
		for _, text := range []string{
			then.Format(time.RFC3339Nano), then.Format("2006-01-02 15:04:05.000000-07:00"), then.Format("2006-01-02 15:04:05"),
			then.Format("02/01/2006 15:04"), then.Format("02/01/2006") + " - " + at.Format("02/01/2006"),
			then.Format("15:04") + "-18:00, " + at.Format("15:04") + "-20:00", uuid.NewSHA1(uuid.Nil, []byte(then.String())).String(),
			fmt.Sprintf("%.12f, %.12f", 51.5+float64(i)/7919, -0.12-float64(i)/7907), fmt.Sprintf("%d, %d, %d", 85123+i, 84029+i, 71053+i),
			fmt.Sprintf("%d, %d", 1000002+i, 1000003+i), fmt.Sprintf("+44 20 7946 %04d, +44 7700 90%04d", i, i),
		} {
			assert.False(t, hasCardNumber(text), text)
		}
	}
}

func TestCardNumbersInFreeObjects(t *testing.T) {
	t.Parallel()
	for body, at := range map[string]string{
		`{"raw":{"card":4111111111111111}}`:                                         "raw.card",
		`{"raw":{"card":6304000000000000018}}`:                                      "raw.card",
		`{"raw":{"card":-4111111111111111}}`:                                        "raw.card",
		`{"raw":{"card":4.111111111111111e15}}`:                                     "raw.card",
		`{"raw":{"card":4111111111111111e0}}`:                                       "raw.card",
		`{"raw":{"card":41111111111111110.0E-1}}`:                                   "raw.card",
		`{"raw":{"card":4111111111111111.5}}`:                                       "raw.card",
		`{"raw":{"card":["4111","1111","1111","1111"]}}`:                            "raw.card",
		`{"raw":{"card":[4111,1111,1111,1111]}}`:                                    "raw.card",
		`{"raw":{"a":[["4111"," 1111 "],[],["4111",1111,"1111","1111",{"b":[]}]]}}`: "raw.a[2]",
		`{"raw":["4111","1111","1111","1111"]}`:                                     "raw",
		`{"raw":["4111 1111","1111 1111"]}`:                                         "raw",
	} {
		f, refused := fault.As(decode([]byte(body), new(nullBody)))
		if !assert.True(t, refused, body) {
			continue
		}
		assert.Equal(t, "card_number", f.Code, body)
		assert.Equal(t, at, f.Fields[0].Field, body)
	}
	for _, body := range []string{
		`{"raw":{"at":[51.50735091234567,-0.1277583123456]}}`, `{"raw":{"lat":411.1111111111111,"lon":0.4111111111111111}}`,
		`{"raw":{"lines":["Flat 4","12-14 High St","1234 AB"],"phones":["+44 20 7946 0958","+44 7700 900123"]}}`,
		`{"raw":{"a":["4111","1111"],"b":["1111","1111"]}}`, `{"raw":[["4111","1111"],["1111","1111"]]}`, `{"raw":["4111","1111","1111","1112"]}`,
	} {
		assert.NoError(t, decode([]byte(body), new(nullBody)), body)
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
