package app

import (
	"context"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/web"
)

// callers reads the tokens of requests for the web server.
type callers struct{ *auth.Tokens }

// Authenticate returns the caller that a token names.
func (c callers) Authenticate(_ context.Context, token string) (web.Caller, error) {
	claims, err := c.Verify(token)
	return web.Caller{Subject: claims.Subject, Scopes: claims.Scopes, Guest: claims.Guest}, err
}
