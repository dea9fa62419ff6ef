package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"shopping-cart/client"
)

// Kong calls Validate before Run. An error there is a usage error, with the exit status of one.

const (
	scopePricing = "pricing" // sets taxes and discounts
	longestTTL   = 365 * 24 * time.Hour
)

// Validate refuses a token that no server accepts, and one without an end.
func (t *Token) Validate() error {
	for _, scope := range t.Scope {
		if scope != client.ScopeAdmin && scope != scopePricing {
			return fmt.Errorf("--scope must be %s or %s", client.ScopeAdmin, scopePricing)
		}
	}
	if t.TTL < time.Second || t.TTL > longestTTL {
		return fmt.Errorf("--ttl must be 1s to %.0fh (a year)", longestTTL.Hours())
	}
	if strings.TrimSpace(t.Subject) == "" || strings.ContainsFunc(t.Subject, unicode.IsControl) {
		return errors.New("--subject must not be empty")
	}
	return nil
}

func (h *Health) Validate() error { return client.CheckBaseURL(h.BaseURL) }

func (v *Verify) Validate() error { return client.CheckBaseURL(v.BaseURL) }
