// Package tools holds the commands of the program that are not the server: clients that speak HTTP to it, and the one
// that mints tokens from its settings.
package tools

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
)

// Token prints a token alone, so that a shell can take it: TOKEN=$(shopping-cart token --admin).
type Token struct {
	Admin   bool          `help:"An operator's token: scope admin."`
	Scope   []string      `help:"Scopes of the token, such as pricing."`
	Subject string        `help:"Whose token it is." default:"operator"`
	TTL     time.Duration `help:"How long it lasts." default:"24h"`
}

// Run prints the token.
func (t *Token) Run(out io.Writer) error {
	token, err := t.mint()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func (t *Token) mint() (string, error) {
	settings, err := config.Load()
	if err != nil {
		return "", err
	}
	if err := settings.FillSecrets(); err != nil {
		return "", err
	}
	tokens, err := auth.New([]byte(settings.AuthSecret), settings.AuthAudience)
	if err != nil {
		return "", err
	}
	scopes := t.Scope
	if t.Admin {
		scopes = append(scopes, "admin")
	}
	token, _, err := tokens.Mint(t.Subject, scopes, t.TTL)
	return token, err
}

// Health asks a server whether it can serve.
type Health struct {
	BaseURL string `help:"Where the server is; from its settings when empty."`
}

// Run is nil when the server is ready.
func (h *Health) Run(ctx context.Context) error {
	base := h.BaseURL
	if base == "" {
		settings, err := config.Load()
		if err != nil {
			return err
		}
		base = settings.LocalURL()
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
