// Package auth mints and verifies access tokens: JWTs signed with HS256 and one shared secret.
//
// A token holds a subject (a customer or an operator), scopes (separated by spaces), an audience and an expiry time. A guest gets
// one from POST /v1/sessions, an operator from the command line. A shop with its own log-in mints tokens itself, with the same
// secret.
//
//	tokens, err := auth.New(secret, "shopping-cart")
//	token, expires, err := tokens.Mint(customerID, nil, 24*time.Hour)
//	claims, err := tokens.Verify(token)
//
// Only HS256 is accepted, whatever the token's header asks for.
package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"shopping-cart/platform/fault"
)

// MinSecret is the minimum length of a secret in bytes: the length of the HS256 hash.
const MinSecret = 32

// ErrUnauthorized is the fault for every invalid token. Its sentence says how the caller can fix it. The exact reason stays in
// the error chain, for the log.
var ErrUnauthorized = fault.New(fault.Unauthorized, "unauthorized", "The access token is not valid: its format, signature or claims are wrong.")

var (
	errExpired  = ErrUnauthorized.Detailf("The access token has expired. Get a new one.")
	errTooEarly = ErrUnauthorized.Detailf("The access token is not valid yet.")
	errAudience = ErrUnauthorized.Detailf("The access token is meant for another service.")
)

// refusalOf returns the fault for an error of the JWT library. It checks for a wrong signature first, since the claims of such a
// token mean nothing.
func refusalOf(err error) *fault.Fault {
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return ErrUnauthorized
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return errTooEarly
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return errAudience
	}
	return ErrUnauthorized
}

// Claims holds the claims of a verified token.
type Claims struct {
	Subject   string
	Scopes    []string
	Guest     bool // the token was minted for a guest
	ExpiresAt time.Time
}

// Has reports whether the token carries the scope.
func (c Claims) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Tokens mints and verifies tokens with one secret and audience. It is safe for concurrent use.
type Tokens struct {
	secret   []byte
	audience string
	now      func() time.Time
	cache    cache
}

// New returns Tokens. The secret must have at least MinSecret bytes.
func New(secret []byte, audience string) (*Tokens, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes, at least %d are needed", len(secret), MinSecret)
	}
	if audience == "" {
		return nil, errors.New("the audience is empty")
	}
	return &Tokens{secret: slices.Clone(secret), audience: audience, now: time.Now}, nil
}

// wire is the payload of a token.
type wire struct {
	Scope string `json:"scope,omitempty"`
	Guest bool   `json:"guest,omitempty"`
	jwt.RegisteredClaims
}

// Mint returns a token for a subject that expires after ttl, and the expiry time (whole seconds, UTC).
func (t *Tokens) Mint(subject string, scopes []string, ttl time.Duration) (token string, expires time.Time, err error) {
	return t.mint(Claims{Subject: subject, Scopes: scopes}, ttl)
}

// MintGuest returns a token for a guest, and the expiry time.
func (t *Tokens) MintGuest(subject string, ttl time.Duration) (token string, expires time.Time, err error) {
	return t.mint(Claims{Subject: subject, Guest: true}, ttl)
}

func (t *Tokens) mint(c Claims, ttl time.Duration) (token string, expires time.Time, err error) {
	if c.Subject == "" {
		return "", time.Time{}, errors.New("the subject is empty")
	}
	now := t.now().UTC().Truncate(time.Second)
	expires = now.Add(ttl).Truncate(time.Second)
	claims := wire{Scope: strings.Join(c.Scopes, " "), Guest: c.Guest, RegisteredClaims: jwt.RegisteredClaims{
		Subject: c.Subject, Audience: jwt.ClaimStrings{t.audience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}}
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(t.secret)
	return token, expires, err
}

// Verify returns the claims of a valid token. It returns ErrUnauthorized for any other token. The scopes are shared: do not
// modify them.
func (t *Tokens) Verify(token string) (Claims, error) {
	key := sha256.Sum256([]byte(token))
	if known, ok := t.cache.find(key); ok && known.at(t.now()) {
		return known.Claims, nil
	}
	found, err := t.parse(token, 0)
	if err == nil {
		t.cache.keep(key, found)
	}
	return found.Claims, err
}

// VerifyExpired is Verify for tokens that expired at most leeway ago: a guest's cart may be merged after the guest's token has
// expired.
func (t *Tokens) VerifyExpired(token string, leeway time.Duration) (Claims, error) {
	found, err := t.parse(token, leeway)
	return found.Claims, err
}

func (t *Tokens) parse(token string, leeway time.Duration) (verified, error) {
	var w wire
	_, err := jwt.ParseWithClaims(token, &w, func(*jwt.Token) (any, error) { return t.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(t.audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(t.now))
	if err != nil {
		return verified{}, fmt.Errorf("%w (%w)", refusalOf(err), err)
	}
	if w.Subject == "" || strings.ContainsFunc(w.Subject, unicode.IsControl) {
		return verified{}, fmt.Errorf("%w (the subject is empty or holds control characters)", ErrUnauthorized)
	}
	found := verified{Claims: Claims{Subject: w.Subject, Scopes: strings.Fields(w.Scope), Guest: w.Guest, ExpiresAt: w.ExpiresAt.UTC()}}
	if w.NotBefore != nil {
		found.notBefore = w.NotBefore.Time
	}
	if t.now().Before(found.notBefore) { // the leeway applies to the expiry only
		return verified{}, fmt.Errorf("%w (%w)", errTooEarly, jwt.ErrTokenNotValidYet)
	}
	return found, nil
}
