// Package auth mints and verifies the tokens that say who calls: JWTs signed with HS256 and one shared secret.
//
// A token names its subject (a customer, or an operator), what it may do (scopes, space separated), whom it is
// for (the audience) and when it ends. A guest gets one from POST /v1/sessions, an operator from the command
// line; whoever runs a shop's own log-in mints them elsewhere with the same secret.
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

// MinSecret is the least length of a secret, in bytes: as long as the hash that it keys.
const MinSecret = 32

// ErrUnauthorized is what every bad token is answered with. Its sentence says what the caller can do about it; the exact
// reason stays in the chain, for the log.
var ErrUnauthorized = fault.New(fault.Unauthorized, "unauthorized", "The access token is not valid: its form, its signature or what it says is wrong.")

var (
	errExpired  = ErrUnauthorized.Detailf("The access token has expired. Get a new one.")
	errTooEarly = ErrUnauthorized.Detailf("The access token is not valid yet.")
	errAudience = ErrUnauthorized.Detailf("The access token is meant for another service.")
)

// refusalOf says what is wrong with a token. A signature that is wrong comes first: nothing else in such a token counts.
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

// Claims are what a verified token says.
type Claims struct {
	Subject   string
	Scopes    []string
	ExpiresAt time.Time
}

// Has reports whether the token carries the scope.
func (c Claims) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Tokens mints and verifies tokens of one secret and audience. It is safe for concurrent use.
type Tokens struct {
	secret   []byte
	audience string
	now      func() time.Time
	proven   proven
}

// New makes Tokens. The secret must have at least MinSecret bytes.
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
	jwt.RegisteredClaims
}

// Mint makes a token for a subject that ends after ttl, and says when that is (whole seconds, UTC).
func (t *Tokens) Mint(subject string, scopes []string, ttl time.Duration) (token string, expires time.Time, err error) {
	if subject == "" {
		return "", time.Time{}, errors.New("the subject is empty")
	}
	now := t.now().UTC().Truncate(time.Second)
	expires = now.Add(ttl).Truncate(time.Second)
	claims := wire{Scope: strings.Join(scopes, " "), RegisteredClaims: jwt.RegisteredClaims{
		Subject: subject, Audience: jwt.ClaimStrings{t.audience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}}
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(t.secret)
	return token, expires, err
}

// Verify reads a token that is valid now. Any other is ErrUnauthorized. The scopes are shared: they are for reading only.
func (t *Tokens) Verify(token string) (Claims, error) {
	key := sha256.Sum256([]byte(token))
	if known, ok := t.proven.find(key); ok && known.at(t.now()) {
		return known.Claims, nil
	}
	found, err := t.prove(token, 0)
	if err == nil {
		t.proven.keep(key, found)
	}
	return found.Claims, err
}

// VerifyExpired reads a token that is valid now or ended at most leeway ago: a guest's cart may be merged after
// the guest's token has ended.
func (t *Tokens) VerifyExpired(token string, leeway time.Duration) (Claims, error) {
	found, err := t.prove(token, leeway)
	return found.Claims, err
}

func (t *Tokens) prove(token string, leeway time.Duration) (proof, error) {
	var w wire
	_, err := jwt.ParseWithClaims(token, &w, func(*jwt.Token) (any, error) { return t.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(t.audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(t.now))
	if err != nil {
		return proof{}, fmt.Errorf("%w (%w)", refusalOf(err), err)
	}
	if w.Subject == "" || strings.ContainsFunc(w.Subject, unicode.IsControl) {
		return proof{}, fmt.Errorf("%w (no subject that can be one)", ErrUnauthorized)
	}
	found := proof{Claims: Claims{Subject: w.Subject, Scopes: strings.Fields(w.Scope), ExpiresAt: w.ExpiresAt.UTC()}}
	if w.NotBefore != nil {
		found.notBefore = w.NotBefore.Time
	}
	if t.now().Before(found.notBefore) { // the leeway is for the end only
		return proof{}, fmt.Errorf("%w (%w)", errTooEarly, jwt.ErrTokenNotValidYet)
	}
	return found, nil
}

// Authenticate is Verify in plain types, as platform/web asks for it.
func (t *Tokens) Authenticate(token string) (subject string, scopes []string, err error) {
	c, err := t.Verify(token)
	return c.Subject, c.Scopes, err
}
