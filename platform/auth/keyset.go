package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"shopping-cart/platform/backoff"
)

const (
	// refreshKeys is the pause between two refreshes of an issuer's keys. A withdrawn key is valid for that long.
	refreshKeys = 5 * time.Minute
	// unknownKey is the least pause between two refreshes because of tokens with unknown keys.
	unknownKey = 10 * time.Second
	// fetchTimeout limits one request to an issuer.
	fetchTimeout = 5 * time.Second
	// maxDocument is the maximum length of an issuer's document in bytes.
	maxDocument = 1 << 20
)

// keySet holds the public keys of an issuer. It keeps them while the issuer is away.
type keySet struct {
	issuer, jwks string // jwks is empty: found by OIDC discovery
	client       *http.Client
	log          *slog.Logger
	keys         atomic.Pointer[[]jwkset.JWK] // nil: never fetched
	fetching     chan struct{}                // holds a value during a fetch
	limit        *rate.Limiter
}

func newKeySet(issuer, jwks string, log *slog.Logger) *keySet {
	return &keySet{
		issuer: issuer, jwks: jwks, log: log, fetching: make(chan struct{}, 1), limit: rate.NewLimiter(rate.Every(unknownKey), 1),
		client: &http.Client{Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return checkAddress(r.URL.String())
		}},
	}
}

// run refreshes the keys until ctx is done.
func (k *keySet) run(ctx context.Context) {
	for failures := 0; ; {
		pause := backoff.Jitter(refreshKeys)
		if err := k.refreshAlone(ctx); err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			k.log.Warn("failed to fetch the keys of an issuer, will retry; those known stay valid", "issuer", k.issuer, "error", err)
			pause = backoff.Jitter(backoff.After(failures, time.Second, time.Minute))
			failures++
		}
		if !backoff.Sleep(ctx, pause) {
			return
		}
	}
}

// refreshAlone refreshes the keys while no token does.
func (k *keySet) refreshAlone(ctx context.Context) error {
	select {
	case k.fetching <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.fetching }()
	return k.refresh(ctx)
}

// find returns the keys that may have signed a token. It fetches them first if none is known, at most once in unknownKey.
func (k *keySet) find(ctx context.Context, token *jwt.Token) (any, error) {
	found := k.matching(token)
	if len(found.Keys) == 0 {
		k.refreshUnknown(ctx, token)
		found = k.matching(token)
	}
	switch {
	case k.keys.Load() == nil:
		return nil, errKeysAway
	case len(found.Keys) == 0:
		return nil, fmt.Errorf("the issuer has no key %q for %s", token.Header["kid"], token.Method.Alg())
	}
	return found, nil
}

// matching returns the known keys of the token's algorithm with the token's key id; all of them if it has none.
func (k *keySet) matching(token *jwt.Token) (found jwt.VerificationKeySet) {
	known := k.keys.Load()
	if known == nil {
		return found
	}
	kid, named := token.Header["kid"]
	for _, one := range *known {
		m := one.Marshal()
		if named && m.KID != kid || m.USE != "" && m.USE != jwkset.UseSig || m.ALG != "" && m.ALG.String() != token.Method.Alg() {
			continue
		}
		if signs(one.Key(), token.Method) {
			found.Keys = append(found.Keys, one.Key())
		}
	}
	return found
}

// signs reports whether a key is one of an algorithm.
func signs(key any, method jwt.SigningMethod) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return method == jwt.SigningMethodRS256
	case *ecdsa.PublicKey:
		return method == jwt.SigningMethodES256 && key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return method == jwt.SigningMethodEdDSA
	}
	return false
}

// refreshUnknown refreshes the keys for a token. Requests at the same time wait for one refresh.
func (k *keySet) refreshUnknown(ctx context.Context, token *jwt.Token) {
	select {
	case k.fetching <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-k.fetching }()
	if len(k.matching(token).Keys) > 0 || !k.limit.Allow() {
		return
	}
	if err := k.refresh(context.WithoutCancel(ctx)); err != nil { // also for others that wait
		k.log.Warn("failed to fetch the keys of an issuer for a token with an unknown key", "issuer", k.issuer, "error", err)
	}
}

// refresh fetches the keys. It keeps the known ones if there is no usable key among them.
func (k *keySet) refresh(ctx context.Context) error {
	address := k.jwks
	if address == "" {
		var err error
		if address, err = k.discover(ctx); err != nil {
			return err
		}
	}
	var set jwkset.JWKSMarshal
	if err := k.get(ctx, address, &set); err != nil {
		return err
	}
	keys := []jwkset.JWK{}
	for _, m := range set.Keys {
		key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			k.log.Debug("an issuer has a key that cannot be used", "issuer", k.issuer, "kid", m.KID, "error", err)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return fmt.Errorf("%s holds no key that can be used", address)
	}
	k.keys.Store(&keys)
	return nil
}

// discover returns the address of the keys by OpenID Connect Discovery.
func (k *keySet) discover(ctx context.Context) (address string, err error) {
	var document struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return "", err
	}
	if document.Issuer != k.issuer {
		return "", fmt.Errorf("the issuer calls itself %q, the setting %q", document.Issuer, k.issuer)
	}
	return document.JWKS, checkAddress(document.JWKS)
}

func (k *keySet) get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", address, err)
	}
	return nil
}
