package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"shopping-cart/platform/fault"
)

func TestNumbersInFreeObjects(t *testing.T) {
	t.Parallel()
	for _, number := range []string{
		"1e999", "-1e999", "1e309", "1e-400", "1e-999999999", "123456789012345678", "0.123456789012345678", "1" + strings.Repeat("0", 32),
	} {
		f, refused := fault.As(decode([]byte(`{"raw":{"a":[0,`+number+`]}}`), new(nullBody)))
		if !assert.True(t, refused, number) {
			continue
		}
		assert.Equal(t, "validation_failed", f.Code, number)
		assert.Equal(t, "raw.a[1]", f.Fields[0].Field, number)
		assert.Equal(t, "number", f.Fields[0].Code, number)
	}
	for _, number := range []string{
		"0", "-0.0", "4111111111111112", "0e999999999", "1.5", "1e308", "-1.7976931348623157e308", "5e-324", "12345678901234567", "0.10000000000000001", "100000000000000000000",
	} {
		assert.NoError(t, decode([]byte(`{"raw":{"a":`+number+`}}`), new(nullBody)), number)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	for _, good := range []string{`{}`, `{"a":1,"a":1e308}`, `{"a":12345678901234567890123}`, `{"a":"1e999"}`} {
		assert.True(t, Readable([]byte(good)), good)
	}
	for _, bad := range []string{``, `{`, `{}{}`, `{"a":[{"b":1e999}]}`, `{"a":1,"a":-1e999}`} {
		assert.False(t, Readable([]byte(bad)), bad)
	}
}
