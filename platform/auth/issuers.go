package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"shopping-cart/platform/database"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is an OpenID Connect provider, or another service that signs tokens, whose tokens are valid here.
type Issuer struct {
	URL       string // claim iss
	Name      string // stands before its subjects: "name|subject"
	Audience  string // claim aud
	JWKS      string // address of its keys; empty: found by discovery
	Operators bool   // its tokens are those of operators; otherwise they grant no scope
	Claim     string // of the scopes of operators: text or a list; dots lead into objects, as in "realm_access.roles"
}

// issuer verifies the tokens of an Issuer.
type issuer struct {
	Issuer
	keys *keySet
}

// maxSubject is the maximum length of an issuer's subject in bytes.
const maxSubject = 255

// publicMethods are the algorithms of issuers. None of them uses a shared secret.
var publicMethods = []string{jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg()}

func newIssuers(all []Issuer, log *slog.Logger) map[string]*issuer {
	byURL := map[string]*issuer{}
	for _, i := range all {
		byURL[i.URL] = &issuer{i, newKeySet(i.URL, i.JWKS, log)}
	}
	return byURL
}

// foreign is the payload of an issuer's token.
type foreign struct {
	jwt.RegisteredClaims
	all map[string]any
}

// UnmarshalJSON also keeps all claims, since the settings name the one with the scopes.
func (f *foreign) UnmarshalJSON(text []byte) error {
	return errors.Join(json.Unmarshal(text, &f.RegisteredClaims), json.Unmarshal(text, &f.all))
}

// verify verifies a token of the issuer.
func (i *issuer) verify(ctx context.Context, t *Tokens, token string) (verified, error) {
	var f foreign
	_, err := jwt.ParseWithClaims(token, &f, func(token *jwt.Token) (any, error) { return i.keys.find(ctx, token) },
		jwt.WithValidMethods(publicMethods), jwt.WithIssuer(i.URL), jwt.WithAudience(i.Audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(t.now))
	switch {
	case errors.Is(err, errKeysAway):
		return verified{}, err
	case err != nil:
		return verified{}, fmt.Errorf("%w (%w)", refusalOf(err), err)
	}
	c := Claims{}
	if i.Operators {
		if err := t.checkLifetime(f.RegisteredClaims); err != nil {
			return verified{}, err
		}
		c.Scopes, c.ID = t.scopesIn(claimAt(f.all, i.Claim)), i.id(f, token)
	}
	if f.Subject == "" || len(f.Subject) > maxSubject { // the name alone must not become one
		return verified{}, errNoSubject
	}
	f.Subject = i.Name + "|" + f.Subject
	found, err := verifiedOf(f.RegisteredClaims, c)
	found.notBefore = found.notBefore.Add(-clockSkew)
	if found.until = f.ExpiresAt.Add(clockSkew); found.until.After(t.now().Add(reverify)) {
		found.until = t.now().Add(reverify)
	}
	return found, err
}

// id returns the id of an operator's token for the deny list. Not every issuer gives its tokens an id.
func (i *issuer) id(f foreign, token string) string {
	if f.ID != "" {
		return i.Name + "|" + f.ID
	}
	sum := sha256.Sum256([]byte(token))
	return i.Name + "|sha256:" + hex.EncodeToString(sum[:])
}

// scopesIn returns the scopes of operators in a claim.
func (t *Tokens) scopesIn(claim any) []string {
	var texts []string
	switch claim := claim.(type) {
	case string:
		texts = strings.Fields(claim)
	case []any:
		for _, one := range claim {
			if text, ok := one.(string); ok {
				texts = append(texts, text)
			}
		}
	}
	return slices.DeleteFunc(texts, func(text string) bool { return !t.isOperatorScope(text) })
}

// claimAt returns the claim of a name, or at a path with dots.
func claimAt(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	first, rest, nested := strings.Cut(path, ".")
	inner, ok := claims[first].(map[string]any)
	if !nested || !ok {
		return nil
	}
	return claimAt(inner, rest)
}

// refusedHeaders are header parameters that would let a token choose its own key, or that must be understood (crit).
var refusedHeaders = []string{"jku", "jwk", "x5u", "x5c", "crit"}

// checkHeader refuses a token with such a parameter, and one that is no access token or ID token.
func checkHeader(header map[string]any) error {
	for _, name := range refusedHeaders {
		if _, ok := header[name]; ok {
			return fmt.Errorf("%w (its header has the parameter %s)", ErrUnauthorized, name)
		}
	}
	typ, present := header["typ"]
	text, _ := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(text), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	if !present {
		return nil
	}
	return fmt.Errorf("%w (its type is %v)", ErrUnauthorized, typ)
}

// checkAddress refuses an address without TLS, except on this machine.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && database.IsLoopback(u.Hostname())) {
		return fmt.Errorf("%s is no https address", address)
	}
	return nil
}
