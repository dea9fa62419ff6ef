package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// here holds the settings of a server.
type here struct{ base string }

func (h here) BaseURL() (string, error) { return h.base, nil }
func (h here) Mint(_ string, scopes []string, _ time.Duration) (string, error) {
	return strings.Join(scopes, " "), nil
}

// TestVerify runs the command against a server that reports three findings in two answers.
func TestVerify(t *testing.T) {
	t.Parallel()
	const first = `{"data":[{"id":"a:1","detail":"D.","remedy":"R.","healable":true%[1]s},{"id":"b:2","detail":"E.","remedy":"S.","healable":false,"streams":[]}],`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			_, _ = w.Write([]byte(`{"status":"ok"}`))
			return
		}
		require.Equal(t, "Bearer admin", r.Header.Get("Authorization"))
		healed := ""
		if r.Method == http.MethodPost {
			healed = `,"healed":true,"done":"refunded 10.00 GBP"`
		}
		answer := strings.Replace(first, "%[1]s", healed, 1) + `"checked":{"checkouts":2,"left_out":1},"next_cursor":"orders:x y"}`
		if r.URL.Query().Get("cursor") == "orders:x y" {
			answer = `{"data":[{"id":"b:2","detail":"E.","remedy":"S.","healable":false}],"checked":{"checkouts":3,"left_out":2},"next_cursor":null}`
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		Verify
		left int
		says string
	}{
		"Looks": {Verify{}, 2, "a:1\n  D.\n  --heal repairs it: R.\nb:2\n  E.\n  repair by hand: S.\n5 checkouts"},
		"Heals": {Verify{Heal: healSafe}, 1, "a:1\n  D.\n  repaired: refunded 10.00 GBP\nb:2\n  E.\n  repair by hand: S.\n5 checkouts"},
		"JSON":  {Verify{JSON: true}, 2, `"checked":{"checkouts":5,"left_out":3}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := c.Run(t.Context(), &out, here{server.URL})
			require.Equal(t, &Broken{c.left}, err)
			require.Equal(t, 2, err.(*Broken).ExitCode())
			require.Contains(t, out.String(), c.says)
			if !c.JSON {
				require.True(t, strings.HasSuffix(out.String(),
					"\n3 checkouts and payments of the last minute were left out, since they may be in progress: run it again in a minute\n"), out.String())
			}
			require.Equal(t, c.JSON, json.Valid([]byte(out.String())))
		})
	}
}
