package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"shopping-cart/client"
)

// Token holds the commands for tokens.
type Token struct {
	Mint   Mint   `cmd:"" default:"withargs" help:"Print an access token, signed with the settings of the server (the default)."`
	Revoke Revoke `cmd:"" help:"End the validity of an operator's token."`
}

// Mint prints only a token, so that a shell can take it: TOKEN=$(shopping-cart token --admin).
type Mint struct {
	Admin   bool          `help:"An operator's token: scope admin."`
	Scope   []string      `help:"Scopes of an operator's token, such as orders:read,stock:write. See docs/guides/identity.md."`
	Subject string        `help:"Subject of the token." default:"operator"`
	TTL     time.Duration `help:"Lifetime: at most 12h for operators, a year for customers." default:"12h"`
	JSON    bool          `name:"json" help:"Print JSON: the token and its contents."`
}

func (m *Mint) Run(out io.Writer, local client.Local) error {
	token, err := local.Mint(m.Subject, m.scopes(), m.TTL)
	if err != nil {
		return err
	}
	if m.JSON {
		return printContents(out, token)
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func (m *Mint) scopes() []string {
	if m.Admin {
		return append(slices.Clone(m.Scope), client.ScopeAdmin)
	}
	return m.Scope
}

// contents is a token in JSON.
type contents struct {
	Token     string    `json:"token"`
	ID        string    `json:"id,omitempty"` // of an operator's token, to revoke it
	Subject   string    `json:"subject"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expires_at"`
}

func printContents(out io.Writer, token string) error {
	var claims struct {
		Scope string `json:"scope"`
		jwt.RegisteredClaims
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil { // this program made it
		return err
	}
	return json.NewEncoder(out).Encode(contents{token, claims.ID, claims.Subject, strings.Fields(claims.Scope), claims.ExpiresAt.UTC()})
}

// Revoke makes a server refuse an operator's token.
type Revoke struct {
	Token   string `arg:"" help:"The token, or its id (claim jti)."`
	BaseURL string `help:"Address of the server; from its settings when empty."`
	JSON    bool   `name:"json" help:"Print JSON: the id of the token, and when it expires."`
}

// revoked is the answer of the server.
type revoked struct {
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Run asks the server, since only that reaches the database in every set-up.
func (r *Revoke) Run(ctx context.Context, out io.Writer, local client.Local) error {
	c, token, err := operator(ctx, local, r.BaseURL, "token revoke")
	if err != nil {
		return err
	}
	call := client.Call{Method: http.MethodPost, Path: "/v1/admin/tokens/revoke", Token: token, Body: map[string]string{"token": r.Token}}
	done, _, err := client.Ask[revoked](ctx, c, call)
	switch {
	case err != nil:
		return client.ExplainUnauthorized(c.Base, "", err)
	case r.JSON:
		return json.NewEncoder(out).Encode(done)
	}
	_, err = fmt.Fprintf(out, "revoked %s\n", done.ID)
	return err
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
