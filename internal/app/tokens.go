package app

import (
	"context"
	"log/slog"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

// Tokens returns the keys and the issuers of the settings. denied may be nil, for a tool that only mints.
func Tokens(settings config.Config, denied *auth.DenyList, log *slog.Logger) (*auth.Tokens, error) {
	issuers, err := issuersOf(settings)
	if err != nil {
		return nil, err
	}
	return auth.New(auth.Config{
		CustomerSecrets: append([]string{settings.AuthSecret}, settings.AuthSecretOld...), OperatorSecret: settings.AdminSecret,
		Audience: settings.AuthAudience, OperatorScopes: web.Scopes(), Denied: denied, Issuers: issuers, Log: log,
	})
}

func issuersOf(settings config.Config) (all []auth.Issuer, err error) {
	found, err := settings.Issuers()
	for _, i := range found {
		all = append(all, auth.Issuer(i))
	}
	return all, err
}

// callers reads the tokens of requests for the web server.
type callers struct{ *auth.Tokens }

// Authenticate returns the caller that a token names.
func (c callers) Authenticate(ctx context.Context, token string) (web.Caller, error) {
	claims, err := c.Verify(ctx, token)
	return web.Caller{Subject: claims.Subject, Scopes: claims.Scopes, Guest: claims.Guest}, err
}
