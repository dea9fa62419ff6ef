// Package auth mints and verifies access tokens (JWTs).
//
// A token holds a subject (a customer or an operator), scopes (separated by spaces), an audience and an expiry time. Local tokens are
// signed with HS256 and one of two kinds of keys:
//
//   - The keys of customers sign the tokens of guests, from POST /v1/sessions, and those of a shop's own log-in. Several may be
//     valid at a time: the first one signs, so a new key ends no session.
//   - The key of operators signs the tokens of the command line. They last OperatorTTL at most, and can be revoked by their id.
//
// A token with an operator's scope under a key of customers is refused.
//
// Trusted issuers sign with keys of their own (RS256, ES256, EdDSA). The package fetches and caches these keys. Issuers of customers
// grant no scopes. The subject of their tokens begins with the name of the issuer, so it equals no guest's and no other issuer's.
//
//	tokens, err := auth.New(auth.Config{CustomerSecrets: []string{secret}, OperatorSecret: other, Audience: "shopping-cart"})
//	token, expires, err := tokens.Mint(customerID, nil, 24*time.Hour)
//	claims, err := tokens.Verify(ctx, token)
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// MinSecret is the minimum length of a secret in bytes: the length of the HS256 hash.
	MinSecret = 32
	// OperatorTTL is the maximum lifetime of an operator's token.
	OperatorTTL = 12 * time.Hour
	// maxToken is the maximum length of a token in bytes.
	maxToken = 16 << 10
	// reverify is the pause between two verifications of an issuer's token with the current keys of the issuer.
	reverify = time.Minute
	// clockSkew is the tolerated difference of the clocks of two machines.
	clockSkew = time.Minute
)

// Claims holds the claims of a verified token.
type Claims struct {
	Subject   string
	Scopes    []string // of an operator
	Guest     bool     // the token was minted for a guest
	ID        string   // of an operator's token
	ExpiresAt time.Time
}

// Config configures Tokens.
type Config struct {
	CustomerSecrets []string // of customers' tokens; the first one signs
	OperatorSecret  string   // of operators' tokens; empty: none is valid
	Audience        string
	OperatorScopes  []string  // scopes that only the key of operators can grant; also with a suffix, as in "refunds:write:5000"
	Denied          *DenyList // of revoked operators' tokens; nil: none was
	Issuers         []Issuer
	Log             *slog.Logger // of the issuers
}

// Tokens mints and verifies tokens. It is safe for concurrent use.
type Tokens struct {
	Config
	customers, operators keyring
	issuers              map[string]*issuer // by URL
	now                  func() time.Time
	cache                cache
}

// New returns Tokens. Each secret must have at least MinSecret bytes.
func New(c Config) (*Tokens, error) {
	t := &Tokens{Config: c, customers: newKeyring(c.CustomerSecrets...), issuers: newIssuers(c.Issuers, c.Log), now: time.Now}
	if c.OperatorSecret != "" {
		t.operators = newKeyring(c.OperatorSecret)
	}
	if c.Audience == "" {
		return nil, errors.New("the audience is empty")
	}
	if len(t.customers) == 0 {
		return nil, errors.New("there is no secret")
	}
	return t, errors.Join(t.customers.check(), t.operators.check())
}

// Run keeps the deny list and the keys of the issuers current until ctx is done.
func (t *Tokens) Run(ctx context.Context) error {
	var all sync.WaitGroup
	if t.Denied != nil {
		all.Go(func() { t.Denied.run(ctx) })
	}
	for _, i := range t.issuers {
		all.Go(func() { i.keys.run(ctx) })
	}
	all.Wait()
	return nil
}

// wire is the payload of a local token.
type wire struct {
	Scope string `json:"scope,omitempty"`
	Guest bool   `json:"guest,omitempty"`
	jwt.RegisteredClaims
}

// Mint returns a token for a subject that expires after ttl, and the expiry time (whole seconds, UTC). With scopes it is an
// operator's token, otherwise a customer's.
func (t *Tokens) Mint(subject string, scopes []string, ttl time.Duration) (token string, expires time.Time, err error) {
	if len(scopes) == 0 {
		return t.mint(t.customers, wire{RegisteredClaims: jwt.RegisteredClaims{Subject: subject}}, ttl)
	}
	switch {
	case len(t.operators) == 0:
		return "", time.Time{}, errors.New("there is no key of operators")
	case ttl > OperatorTTL:
		return "", time.Time{}, fmt.Errorf("an operator's token lasts %s at most", OperatorTTL)
	}
	id := uuid.Must(uuid.NewV7()).String()
	return t.mint(t.operators, wire{Scope: strings.Join(scopes, " "), RegisteredClaims: jwt.RegisteredClaims{Subject: subject, ID: id}}, ttl)
}

// MintGuest returns a token for a guest, and the expiry time.
func (t *Tokens) MintGuest(subject string, ttl time.Duration) (token string, expires time.Time, err error) {
	return t.mint(t.customers, wire{Guest: true, RegisteredClaims: jwt.RegisteredClaims{Subject: subject}}, ttl)
}

func (t *Tokens) mint(keys keyring, w wire, ttl time.Duration) (token string, expires time.Time, err error) {
	if w.Subject == "" {
		return "", time.Time{}, errors.New("the subject is empty")
	}
	now := t.now().UTC().Truncate(time.Second)
	expires = now.Add(ttl).Truncate(time.Second)
	w.Audience, w.IssuedAt, w.ExpiresAt = jwt.ClaimStrings{t.Audience}, jwt.NewNumericDate(now), jwt.NewNumericDate(expires)
	token, err = keys.sign(w)
	return token, expires, err
}

// Verify returns the claims of a valid token. It returns ErrUnauthorized for any other token, and another fault while the keys of its
// issuer cannot be fetched. The scopes are shared: do not modify them.
func (t *Tokens) Verify(ctx context.Context, token string) (Claims, error) {
	key := sha256.Sum256([]byte(token))
	found, known := t.cache.find(key)
	if !known || !found.at(t.now()) {
		var err error
		if found, err = t.parse(ctx, token); err != nil {
			return Claims{}, err
		}
		t.cache.keep(key, found)
	}
	if found.ID != "" && t.Denied != nil && t.Denied.Has(found.ID) {
		return Claims{}, fmt.Errorf("%w (id %s)", errRevoked, found.ID)
	}
	return found.Claims, nil
}

// Revoke ends the validity of an operator's token, given as the token or as its id. It returns the id, and until when the deny list
// holds it.
func (t *Tokens) Revoke(ctx context.Context, tokenOrID, by string) (id string, until time.Time, err error) {
	id, until = tokenOrID, t.now().Add(OperatorTTL).UTC()
	if strings.Count(tokenOrID, ".") == 2 {
		claims, err := t.Verify(ctx, tokenOrID)
		if err != nil {
			return "", time.Time{}, err
		}
		id, until = claims.ID, claims.ExpiresAt
	}
	if id == "" {
		return "", time.Time{}, ErrNotOperator
	}
	return id, until, t.Denied.add(ctx, id, until, by)
}

// VerifyGuest returns the subject of a guest's token that is valid or expired at most leeway ago: a guest's cart may be merged
// after the guest's token has expired.
func (t *Tokens) VerifyGuest(token string, leeway time.Duration) (subject string, err error) {
	_, method, err := peek(token)
	if err != nil {
		return "", err
	}
	if method != jwt.SigningMethodHS256 { // no issuer has guests
		return "", ErrNotGuest
	}
	found, err := t.parseLocal(token, leeway)
	if err == nil && !found.Guest {
		err = ErrNotGuest
	}
	return found.Subject, err
}

// parse verifies a token with the local keys if its algorithm is theirs, otherwise with the keys of its issuer.
func (t *Tokens) parse(ctx context.Context, token string) (verified, error) {
	issuer, method, err := peek(token)
	if err != nil {
		return verified{}, err
	}
	if method == jwt.SigningMethodHS256 {
		return t.parseLocal(token, 0)
	}
	i := t.issuers[issuer]
	if i == nil {
		return verified{}, fmt.Errorf("%w (issuer %q, algorithm %s)", errIssuer, issuer, method.Alg())
	}
	return i.verify(ctx, t, token)
}

// peek reads the issuer and the algorithm that a token claims to have, and refuses a token that is no access token.
func peek(token string) (issuer string, method jwt.SigningMethod, err error) {
	if len(token) > maxToken {
		return "", nil, errTooLong
	}
	var claims jwt.RegisteredClaims
	unverified, _, err := jwt.NewParser().ParseUnverified(token, &claims)
	if err != nil {
		return "", nil, fmt.Errorf("%w (%w)", ErrUnauthorized, err)
	}
	return claims.Issuer, unverified.Method, checkHeader(unverified.Header)
}

// parseLocal verifies a token with the keys of customers, then with the key of operators.
func (t *Tokens) parseLocal(token string, leeway time.Duration) (verified, error) {
	w, err := t.verify(t.customers, token, leeway)
	if err == nil {
		return t.customer(w)
	}
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && len(t.operators) > 0 {
		if w, err = t.verify(t.operators, token, leeway); err == nil {
			return t.operator(w)
		}
	}
	return verified{}, fmt.Errorf("%w (%w)", refusalOf(err), err)
}

// verify checks the signature of a token and its registered claims.
func (t *Tokens) verify(keys keyring, token string, leeway time.Duration) (w wire, err error) {
	_, err = jwt.ParseWithClaims(token, &w, keys.find,
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(t.Audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(t.now))
	if err == nil && w.NotBefore != nil && t.now().Before(w.NotBefore.Time) { // the leeway applies to the expiry only
		err = jwt.ErrTokenNotValidYet
	}
	return w, err
}

// customer returns a customer's token. It has no scopes.
func (t *Tokens) customer(w wire) (verified, error) {
	for scope := range strings.FieldsSeq(w.Scope) {
		if t.isOperatorScope(scope) {
			return verified{}, fmt.Errorf("%w (scope %s)", errCustomerKey, scope)
		}
	}
	return verifiedOf(w.RegisteredClaims, Claims{Guest: w.Guest})
}

// operator returns an operator's token.
func (t *Tokens) operator(w wire) (verified, error) {
	if w.ID == "" {
		return verified{}, fmt.Errorf("%w (an operator's token without an id)", ErrUnauthorized)
	}
	if err := t.checkLifetime(w.RegisteredClaims); err != nil {
		return verified{}, err
	}
	return verifiedOf(w.RegisteredClaims, Claims{ID: w.ID, Scopes: strings.Fields(w.Scope)})
}

// checkLifetime refuses an operator's token that lasts too long.
func (t *Tokens) checkLifetime(c jwt.RegisteredClaims) error {
	switch {
	case c.IssuedAt == nil || c.IssuedAt.After(t.now().Add(clockSkew)):
		return fmt.Errorf("%w (an operator's token without a time of issue, or with a later one)", ErrUnauthorized)
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > OperatorTTL:
		return errTooDurable
	}
	return nil
}

// verifiedOf completes the claims of a token.
func verifiedOf(of jwt.RegisteredClaims, c Claims) (verified, error) {
	if of.Subject == "" || strings.ContainsFunc(of.Subject, unicode.IsControl) {
		return verified{}, errNoSubject
	}
	c.Subject, c.ExpiresAt = of.Subject, of.ExpiresAt.UTC()
	found := verified{Claims: c, until: c.ExpiresAt}
	if of.NotBefore != nil {
		found.notBefore = of.NotBefore.Time
	}
	return found, nil
}

func (t *Tokens) isOperatorScope(scope string) bool {
	for _, of := range t.OperatorScopes {
		if suffix, ok := strings.CutPrefix(scope, of); ok && (suffix == "" || suffix[0] == ':') {
			return true
		}
	}
	return false
}
