package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"shopping-cart/client"
)

// Token prints only a token, so that a shell can take it: TOKEN=$(shopping-cart token --admin).
type Token struct {
	Admin   bool          `help:"An operator's token: scope admin."`
	Scope   []string      `help:"Scopes of the token: admin or pricing."`
	Subject string        `help:"Subject of the token." default:"operator"`
	TTL     time.Duration `help:"Lifetime, at most a year." default:"24h"`
	JSON    bool          `name:"json" help:"Print JSON: the token and its contents."`
}

func (t *Token) Run(out io.Writer, local client.Local) error {
	scopes := t.Scope
	if t.Admin {
		scopes = append(scopes, client.ScopeAdmin)
	}
	expires := time.Now().Add(t.TTL).UTC().Truncate(time.Second)
	token, err := local.Mint(t.Subject, scopes, t.TTL)
	if err != nil {
		return err
	}
	if t.JSON {
		return json.NewEncoder(out).Encode(minted{token, t.Subject, append([]string{}, scopes...), expires})
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

// minted is a token in JSON.
type minted struct {
	Token     string    `json:"token"`
	Subject   string    `json:"subject"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Health asks a server whether it is ready.
type Health struct {
	BaseURL string `help:"Address of the server; from its settings when empty."`
	JSON    bool   `name:"json" help:"Print JSON: its address, whether it is ready, and the reason if it is not."`
}

// healthy is the result in JSON.
type healthy struct {
	URL    string  `json:"url"`
	Ready  bool    `json:"ready"`
	Detail *string `json:"detail"` // the reason if it is not ready
}

// Run returns nil if the server is ready.
func (h *Health) Run(ctx context.Context, out io.Writer, local client.Local) (err error) {
	base, err := client.BaseURL(local, h.BaseURL)
	if err != nil {
		return err
	}
	err = client.CheckReady(ctx, base)
	if !h.JSON {
		if err == nil {
			_, err = fmt.Fprintln(out, client.Redacted(base), "is ready")
		}
		return err
	}
	found := healthy{URL: client.Redacted(base), Ready: err == nil}
	if err != nil {
		why := err.Error()
		found.Detail = &why
	}
	return errors.Join(err, json.NewEncoder(out).Encode(found))
}
