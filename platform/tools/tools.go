// Package tools holds the commands of the program that are not the server: clients that speak HTTP to it, and the one
// that prints a token.
package tools

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Local is what the tools learn from the settings on this machine.
type Local interface {
	// BaseURL is where the server is, without a slash at the end.
	BaseURL() (string, error)
	// Mint makes a token as the server does.
	Mint(subject string, scopes []string, ttl time.Duration) (string, error)
}

// ScopeAdmin is the scope of operators.
const ScopeAdmin = "admin"

// Token prints a token alone, so that a shell can take it: TOKEN=$(shopping-cart token --admin).
type Token struct {
	Admin   bool          `help:"An operator's token: scope admin."`
	Scope   []string      `help:"Scopes of the token, such as pricing."`
	Subject string        `help:"Whose token it is." default:"operator"`
	TTL     time.Duration `help:"How long it lasts." default:"24h"`
}

// Run prints the token.
func (t *Token) Run(out io.Writer, local Local) error {
	scopes := t.Scope
	if t.Admin {
		scopes = append(scopes, ScopeAdmin)
	}
	token, err := local.Mint(t.Subject, scopes, t.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

// Health asks a server whether it can serve.
type Health struct {
	BaseURL string `help:"Where the server is; from its settings when empty."`
}

// Run is nil when the server is ready.
func (h *Health) Run(ctx context.Context, local Local) (err error) {
	base := h.BaseURL
	if base == "" {
		if base, err = local.BaseURL(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", response.Status)
	}
	return nil
}
