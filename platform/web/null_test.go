package web

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"shopping-cart/platform/fault"
)

type nullBody struct {
	Amount *struct {
		Minor *int64 `json:"minor"`
	} `json:"amount,omitempty"`
	Active *bool  `json:"active,omitempty"`
	Name   string `json:"name"`
	Lines  []struct{ SKU string }
	Raw    json.RawMessage `json:"raw,omitempty"`
}

func TestNull(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"amount": null}`:              "amount",
		`{"amount": {"minor": null}}`:   "amount.minor",
		`{"active": null}`:              "active",
		`{"name": null}`:                "name",
		`{"name": "null"}`:              "",
		`{"raw": null}`:                 "raw",
		`{"raw": {"line2": [null]}}`:    "",
		`{"amount": {"minor": 1}}`:      "",
		`{"active": null, "raw": null}`: "active",
	} {
		var into nullBody
		err := decode([]byte(body), &into)
		if field == "" {
			assert.NoError(t, err, body)
			continue
		}
		f, ok := fault.As(err)
		if !assert.True(t, ok, body) {
			continue
		}
		assert.Equal(t, field, f.Fields[0].Field, body)
		assert.Equal(t, "null", f.Fields[0].Code, body)
	}
}

func TestNumbersSayWhatIsWanted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"amount": {"minor": "2"}}`:                  "It must be a whole number, such as 2, without quotes.",
		`{"amount": {"minor": 1.0}}`:                  "It must be a whole number, such as 2, without a decimal point or an exponent.",
		`{"amount": {"minor": 1e3}}`:                  "It must be a whole number, such as 2, without a decimal point or an exponent.",
		`{"amount": {"minor": 99999999999999999999}}`: "It must be a whole number, such as 2, and in range.",
		`{"amount": {"minor": true}}`:                 "It must be a whole number, such as 2.",
		`{"amount": {"minor": [2]}}`:                  "It must be a whole number, such as 2.",
	} {
		var into nullBody
		f, ok := fault.As(decode([]byte(body), &into))
		if !assert.True(t, ok, body) {
			continue
		}
		assert.Equal(t, fault.Field{Field: "amount.minor", Code: "type", Detail: want}, f.Fields[0], body)
	}
}
