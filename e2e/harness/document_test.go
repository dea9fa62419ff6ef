package harness

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	cart := `"id":"01a20699-f1d4-7dcc-99a4-5197a21580d5","customer_id":"ada","currency":"GBP","status":"open","items":[],"adjustments":[],"adjustments_stale":false,` +
		`"total":{"amount":0,"currency":"GBP"},"version":1,"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05.678901Z"`
	answered := func(method, path, body string, status int, text string) error {
		request, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		return CheckDocumented(&http.Response{StatusCode: status, Request: request, Header: http.Header{"Content-Type": {"application/json"}}}, []byte(text))
	}
	require.NoError(t, answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":null}`))
	for name, err := range map[string]error{
		"AMissingMember":    answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+"}"),
		"AnUnknownMember":   answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":null,"mood":"good"}`),
		"AnIdThatIsNone":    answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":"7"}`),
		"AnotherStatus":     answered("POST", "/v1/carts", `{"currency":"GBP"}`, 200, "{"+cart+`,"checkout_id":null}`),
		"AnUnknownQuestion": answered("POST", "/v1/carts", `{"currency":"GBP","mood":"good"}`, 201, "{"+cart+`,"checkout_id":null}`),
		"AnUnknownRoute":    answered("POST", "/v1/moods", "", 201, "{}"),
	} {
		require.Error(t, err, name)
	}
}
