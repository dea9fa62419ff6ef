package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"shopping-cart/client"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/web"
)

// Kong calls Validate before Run. An error there is a usage error, with the exit status of one.

// longestTTL is the maximum lifetime of a customer's token.
const longestTTL = 365 * 24 * time.Hour

// Validate refuses a token that no server accepts, and one without an end.
func (m *Mint) Validate() error {
	longest := longestTTL
	for _, scope := range m.scopes() {
		longest = auth.OperatorTTL
		if !web.IsScope(scope) {
			return fmt.Errorf("--scope must be one of %s", strings.Join(web.Scopes(), ", "))
		}
	}
	if m.TTL < time.Second || m.TTL > longest {
		return fmt.Errorf("--ttl must be 1s to %.0fh, and to %.0fh with a scope", longestTTL.Hours(), auth.OperatorTTL.Hours())
	}
	if strings.TrimSpace(m.Subject) == "" || strings.ContainsFunc(m.Subject, unicode.IsControl) {
		return errors.New("--subject must not be empty")
	}
	return nil
}

func (r *Revoke) Validate() error { return client.CheckBaseURL(r.BaseURL) }

func (h *Health) Validate() error { return client.CheckBaseURL(h.BaseURL) }

func (v *Verify) Validate() error { return client.CheckBaseURL(v.BaseURL) }

func (h *Heads) Validate() error { return client.CheckBaseURL(h.BaseURL) }
