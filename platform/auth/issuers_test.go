package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

// publisher is an issuer whose documents the test writes.
type publisher struct {
	*httptest.Server
	mu        sync.Mutex
	documents map[string]string
	asked     map[string]int
}

func newPublisher(t *testing.T) *publisher {
	p := &publisher{documents: map[string]string{}, asked: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked[r.URL.Path]++
		text, ok := p.documents[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(p.Close)
	p.publish("/.well-known/openid-configuration", `{"issuer":"`+p.URL+`","jwks_uri":"`+p.URL+`/keys"}`)
	return p
}

// publish sets a document; an empty one is unavailable.
func (p *publisher) publish(path, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.documents[path] = text; text == "" {
		delete(p.documents, path)
	}
}

func (p *publisher) fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked["/keys"]
}

// publicKey is a key pair with its id.
type keyPair struct {
	id      string
	private crypto.Signer
	method  jwt.SigningMethod
}

// pair returns one key pair of each kind, by name.
func pair(t *testing.T, kind string) keyPair {
	t.Helper()
	switch kind {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		return keyPair{kind, key, jwt.SigningMethodRS256}
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return keyPair{kind, key, jwt.SigningMethodES256}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return keyPair{kind, key, jwt.SigningMethodEdDSA}
}

// jwk returns the public key as published.
func (k keyPair) jwk(t *testing.T) string {
	t.Helper()
	one, err := jwkset.NewJWKFromKey(k.private.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: k.id, ALG: jwkset.ALG(k.method.Alg()), USE: jwkset.UseSig}})
	require.NoError(t, err)
	text, err := json.Marshal(one.Marshal())
	require.NoError(t, err)
	return string(text)
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// sign signs claims. Each change may alter the header.
func (k keyPair) sign(t *testing.T, claims jwt.MapClaims, changes ...func(header map[string]any)) string {
	t.Helper()
	token := jwt.NewWithClaims(k.method, claims)
	token.Header["kid"] = k.id
	for _, change := range changes {
		change(token.Header)
	}
	text, err := token.SignedString(k.private)
	require.NoError(t, err)
	return text
}

// claimsOf returns valid claims with changes, each a name and a value; nil removes the claim.
func (p *publisher) claimsOf(changes ...any) jwt.MapClaims {
	c := jwt.MapClaims{"iss": p.URL, "sub": "ada", "aud": "shop", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(changes); i += 2 {
		name, _ := changes[i].(string)
		if c[name] = changes[i+1]; c[name] == nil {
			delete(c, name)
		}
	}
	return c
}

// trusting returns Tokens that trust the issuers.
func trusting(t *testing.T, issuers ...Issuer) *Tokens {
	t.Helper()
	c := config()
	c.OperatorScopes, c.Issuers, c.Log = []string{"admin", "orders:read", "refunds:write"}, issuers, slog.New(slog.DiscardHandler)
	tokens, err := New(c)
	require.NoError(t, err)
	return tokens
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	keys := map[string]keyPair{}
	var published []string
	for _, kind := range []string{"RS256", "ES256", "EdDSA"} {
		keys[kind] = pair(t, kind)
		published = append(published, keys[kind].jwk(t))
	}
	published = append(published, `{"kty":"FUTURE","kid":"f"}`, `{"kty":"oct","k":"c2VjcmV0","kid":"o"}`, `{"kty":"RSA","kid":"broken"}`)
	p.publish("/keys", set(published...))
	tokens := trusting(t, Issuer{URL: p.URL, Name: "shop-login", Audience: "shop"})

	t.Run("EachAlgorithm", func(t *testing.T) {
		t.Parallel()
		for kind, key := range keys {
			for range 2 {
				claims, err := tokens.Verify(t.Context(), key.sign(t, p.claimsOf("aud", []string{"other", "shop"}, "scope", "openid admin", "guest", true, "jti", "7")))
				require.NoError(t, err, kind)
				require.Equal(t, Claims{Subject: "shop-login|ada", ExpiresAt: claims.ExpiresAt}, claims, "it grants no scope")
			}
		}
		_, err := tokens.Verify(t.Context(), keys["RS256"].sign(t, p.claimsOf(), func(h map[string]any) { delete(h, "kid") }))
		require.NoError(t, err, "of one of its keys")
	})
	t.Run("NeverAGuest", func(t *testing.T) {
		t.Parallel()
		guest, _, err := tokens.MintGuest("019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b", time.Hour)
		require.NoError(t, err)
		local, err := tokens.Verify(t.Context(), guest)
		require.NoError(t, err)
		claims, err := tokens.Verify(t.Context(), keys["ES256"].sign(t, p.claimsOf("sub", local.Subject, "guest", true)))
		require.NoError(t, err)
		require.NotEqual(t, local.Subject, claims.Subject)
		_, err = tokens.VerifyGuest(keys["ES256"].sign(t, p.claimsOf("sub", local.Subject, "guest", true)), 0)
		require.ErrorIs(t, err, ErrNotGuest)
	})
	t.Run("ClocksMayDiffer", func(t *testing.T) {
		t.Parallel()
		for _, changes := range [][]any{{"exp", time.Now().Add(-30 * time.Second).Unix()}, {"nbf", time.Now().Add(30 * time.Second).Unix()}, {"iat", time.Now().Add(30 * time.Second).Unix()}} {
			for range 2 {
				_, err := tokens.Verify(t.Context(), keys["ES256"].sign(t, p.claimsOf(changes...)))
				require.NoError(t, err)
			}
		}
	})
	t.Run("ForgeriesAreRefused", func(t *testing.T) {
		t.Parallel()
		rs, es := keys["RS256"], keys["ES256"]
		der, err := x509.MarshalPKIXPublicKey(rs.private.Public())
		require.NoError(t, err)
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		confused := func(key []byte) string {
			token := jwt.NewWithClaims(jwt.SigningMethodHS256, p.claimsOf())
			token.Header["kid"] = rs.id
			text, err := token.SignedString(key)
			require.NoError(t, err)
			return text
		}
		header := func(name string, value any) string {
			return es.sign(t, p.claimsOf(), func(h map[string]any) { h[name] = value })
		}
		another := keyPair{es.id, pair(t, "ES256").private, es.method}
		unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, p.claimsOf()).SignedString(jwt.UnsafeAllowNoneSignatureType)
		require.NoError(t, err)
		valid := strings.Split(es.sign(t, p.claimsOf()), ".")
		for name, token := range map[string]string{
			"NoAlgorithm": unsigned, "PublicKeyAsSecret": confused(public), "PublicKeyInDERAsSecret": confused(der), "OctKeyAsSecret": confused([]byte("secret")),
			"AnotherKey": another.sign(t, p.claimsOf()), "RS384": keyPair{rs.id, rs.private, jwt.SigningMethodRS384}.sign(t, p.claimsOf()),
			"PS256": keyPair{rs.id, rs.private, jwt.SigningMethodPS256}.sign(t, p.claimsOf()),
			"JKU":   header("jku", "https://evil.example/keys"), "X5U": header("x5u", "https://evil.example/cert"), "X5C": header("x5c", []string{"x"}),
			"JWK": header("jwk", map[string]any{}), "Crit": header("crit", []string{"exp"}), "LogoutToken": header("typ", "logout+jwt"),
			"AnotherType": header("typ", 7.0), "KeyOfAnotherAlgorithm": header("kid", "RS256"), "UnknownKey": header("kid", "x"), "KeyIsNoText": header("kid", 7),
			"AnotherIssuer": es.sign(t, p.claimsOf("iss", "https://evil.example")), "NoIssuer": es.sign(t, p.claimsOf("iss", nil)),
			"IssuerWithSlash": es.sign(t, p.claimsOf("iss", p.URL+"/")), "AnotherAudience": es.sign(t, p.claimsOf("aud", "elsewhere")),
			"NoAudience": es.sign(t, p.claimsOf("aud", nil)), "Expired": es.sign(t, p.claimsOf("exp", time.Now().Add(-2*time.Minute).Unix())),
			"NoExpiry": es.sign(t, p.claimsOf("exp", nil)), "NotYetValid": es.sign(t, p.claimsOf("nbf", time.Now().Add(2*time.Minute).Unix())),
			"IssuedLater": es.sign(t, p.claimsOf("iat", time.Now().Add(2*time.Minute).Unix())), "NoSubject": es.sign(t, p.claimsOf("sub", nil)),
			"EmptySubject": es.sign(t, p.claimsOf("sub", "")), "NULInSubject": es.sign(t, p.claimsOf("sub", "a\x00b")), "LongSubject": es.sign(t, p.claimsOf("sub", strings.Repeat("x", 256))),
			"NoSignature": valid[0] + "." + valid[1] + ".", "Huge": es.sign(t, p.claimsOf("padding", strings.Repeat("x", 16<<10))),
		} {
			_, err := tokens.Verify(t.Context(), token)
			require.ErrorIs(t, err, ErrUnauthorized, name)
		}
	})
}

func TestIssuersOfOperators(t *testing.T) {
	t.Parallel()
	p, key := newPublisher(t), pair(t, "ES256")
	p.publish("/elsewhere", set(key.jwk(t)))
	operators := func(claim string) *Tokens {
		return trusting(t, Issuer{URL: p.URL, Name: "staff", Audience: "shop", JWKS: p.URL + "/elsewhere", Operators: true, Claim: claim})
	}
	nested := map[string]any{"roles": []any{"admin", "offline_access", 7, "refunds:write:500"}}
	for claim, want := range map[string][]string{
		"scope": {"orders:read"}, "realm_access.roles": {"admin", "refunds:write:500"}, "https://shop.example/roles": {"admin"}, "realm_access": {}, "nothing.at.all": {}, "sub": {},
	} {
		token := key.sign(t, p.claimsOf("jti", "7", "scope", "openid orders:read", "realm_access", nested, "https://shop.example/roles", []string{"admin"}))
		claims, err := operators(claim).Verify(t.Context(), token)
		require.NoError(t, err, claim)
		require.Equal(t, "staff|ada", claims.Subject)
		require.Equal(t, "staff|7", claims.ID)
		require.ElementsMatch(t, want, claims.Scopes, claim)
	}
	tokens := operators("scope")
	claims, err := tokens.Verify(t.Context(), key.sign(t, p.claimsOf()))
	require.NoError(t, err)
	require.Regexp(t, `^staff\|sha256:[0-9a-f]{64}$`, claims.ID)
	for name, c := range map[string]jwt.MapClaims{
		"TooDurable": p.claimsOf("exp", time.Now().Add(13*time.Hour).Unix()), "NoTimeOfIssue": p.claimsOf("iat", nil),
	} {
		_, err := tokens.Verify(t.Context(), key.sign(t, c))
		require.ErrorIs(t, err, ErrUnauthorized, name)
	}
}

// TestKeysOfIssuers checks how keys are fetched, kept and given up.
func TestKeysOfIssuers(t *testing.T) {
	t.Parallel()
	verify := func(tokens *Tokens, token string) error {
		_, err := tokens.Verify(context.Background(), token)
		return err
	}
	t.Run("ANewKeyIsFetchedOnce", func(t *testing.T) {
		t.Parallel()
		p, old, fresh := newPublisher(t), pair(t, "ES256"), pair(t, "EdDSA")
		p.publish("/keys", set(old.jwk(t)))
		tokens := trusting(t, Issuer{URL: p.URL, Name: "x", Audience: "shop"})
		k := tokens.issuers[p.URL].keys
		require.NoError(t, k.refresh(t.Context()))
		p.publish("/keys", set(old.jwk(t), fresh.jwk(t)))
		var all sync.WaitGroup
		for range 8 { // they wait for one fetch
			token := fresh.sign(t, p.claimsOf("jti", rand.Text()))
			all.Go(func() { require.NoError(t, verify(tokens, token)) })
		}
		all.Wait()
		require.Equal(t, 2, p.fetches())
		require.NoError(t, verify(tokens, old.sign(t, p.claimsOf())))
		for range 20 { // an attacker names keys
			require.ErrorIs(t, verify(tokens, fresh.sign(t, p.claimsOf(), func(h map[string]any) { h["kid"] = rand.Text() })), ErrUnauthorized)
		}
		require.LessOrEqual(t, p.fetches(), 3)
	})
	t.Run("AWithdrawnKeyIsNone", func(t *testing.T) {
		t.Parallel()
		p, old, fresh := newPublisher(t), pair(t, "ES256"), pair(t, "EdDSA")
		p.publish("/keys", set(old.jwk(t), fresh.jwk(t)))
		tokens, at := trusting(t, Issuer{URL: p.URL, Name: "x", Audience: "shop"}), time.Now()
		tokens.now = func() time.Time { return at }
		k := tokens.issuers[p.URL].keys
		require.NoError(t, k.refresh(t.Context()))
		stolen := old.sign(t, p.claimsOf())
		require.NoError(t, verify(tokens, stolen))
		p.publish("/keys", set(fresh.jwk(t)))
		require.NoError(t, k.refresh(t.Context()))
		at = at.Add(reverify)
		require.ErrorIs(t, verify(tokens, stolen), ErrUnauthorized)
	})
	t.Run("AnOutageKeepsThem", func(t *testing.T) {
		t.Parallel()
		p, key := newPublisher(t), pair(t, "RS256")
		p.publish("/keys", set(key.jwk(t)))
		tokens := trusting(t, Issuer{URL: p.URL, Name: "x", Audience: "shop"})
		k := tokens.issuers[p.URL].keys
		require.NoError(t, k.refresh(t.Context()))
		for _, text := range []string{"", "{}", `{"keys":[]}`, "<html>", `{"keys":[{"kty":"FUTURE"}]}`, `{"keys":"` + strings.Repeat("x", maxDocument)} {
			p.publish("/keys", text)
			require.Error(t, k.refresh(t.Context()))
			require.NoError(t, verify(tokens, key.sign(t, p.claimsOf("jti", rand.Text()))))
		}
		p.publish("/keys", set(key.jwk(t)))
		for _, text := range []string{"", `{"issuer":"https://evil.example","jwks_uri":"` + p.URL + `/keys"}`, `{"issuer":"` + p.URL + `","jwks_uri":"http://evil.example/keys"}`} {
			p.publish("/.well-known/openid-configuration", text)
			require.Error(t, k.refresh(t.Context()))
		}
		p.Close()
		require.Error(t, k.refresh(t.Context()))
		require.NoError(t, verify(tokens, key.sign(t, p.claimsOf("jti", rand.Text()))))
	})
	t.Run("BeforeTheFirstFetchTheServiceIsUnavailable", func(t *testing.T) {
		t.Parallel()
		p, key := newPublisher(t), pair(t, "RS256")
		tokens := trusting(t, Issuer{URL: p.URL, Name: "x", Audience: "shop"})
		f, ok := fault.As(verify(tokens, key.sign(t, p.claimsOf())))
		require.True(t, ok)
		require.Equal(t, fault.Unavailable, f.Kind)
	})
	t.Run("RunFetchesThem", func(t *testing.T) {
		t.Parallel()
		p, key := newPublisher(t), pair(t, "ES256")
		tokens := trusting(t, Issuer{URL: p.URL, Name: "x", Audience: "shop"})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- tokens.Run(ctx) }()
		require.Eventually(t, func() bool { return p.fetches() > 0 }, time.Minute, time.Millisecond)
		p.publish("/keys", set(key.jwk(t)))
		require.Eventually(t, func() bool { return tokens.issuers[p.URL].keys.keys.Load() != nil }, time.Minute, time.Millisecond)
		require.NoError(t, verify(tokens, key.sign(t, p.claimsOf())))
		stop()
		require.NoError(t, <-ended)
	})
}
