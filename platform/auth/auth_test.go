package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

// The keys of customers, the newer one first, and the key of operators.
const (
	secret    = "ssssssssssssssssssssssssssssssss"
	former    = "ffffffffffffffffffffffffffffffff"
	operators = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

func settings() auth.Config {
	return auth.Config{
		CustomerSecrets: []string{secret, former}, OperatorSecret: operators, Audience: "shop", OperatorScopes: []string{"admin", "refunds:write"},
	}
}

// callers reads tokens for a web server, as the program does.
type callers struct{ *auth.Tokens }

func (c callers) Authenticate(ctx context.Context, token string) (web.Caller, error) {
	claims, err := c.Verify(ctx, token)
	return web.Caller{Subject: claims.Subject, Scopes: claims.Scopes, Guest: claims.Guest}, err
}

func tokens(t *testing.T) *auth.Tokens {
	t.Helper()
	made, err := auth.New(settings())
	require.NoError(t, err)
	return made
}

// good returns valid claims; each test breaks one of them.
func good() jwt.MapClaims {
	return jwt.MapClaims{"sub": "ann", "aud": "shop", "scope": "openid", "exp": time.Now().Add(time.Hour).Unix()}
}

func but(name string, value any) jwt.MapClaims {
	c := good()
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.Claims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return token
}

// forgeries returns tokens that must be refused.
func forgeries(t *testing.T) map[string]string {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	hs256 := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodHS256, []byte(secret), c) }
	valid := hs256(good())
	parts := strings.Split(valid, ".")
	return map[string]string{
		"NoAlgorithm":      sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()),
		"HS512":            sign(t, jwt.SigningMethodHS512, []byte(secret), good()),
		"HS384":            sign(t, jwt.SigningMethodHS384, []byte(secret), good()),
		"RS256":            sign(t, jwt.SigningMethodRS256, rsaKey, good()),
		"AnotherSecret":    sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good()),
		"NoSignature":      parts[0] + "." + parts[1] + ".",
		"AnotherPayload":   parts[0] + "." + strings.Split(hs256(but("sub", "bob")), ".")[1] + "." + parts[2],
		"AnotherAudience":  hs256(but("aud", "elsewhere")),
		"NoAudience":       hs256(but("aud", nil)),
		"Expired":          hs256(but("exp", time.Now().Add(-time.Second).Unix())),
		"NoExpiry":         hs256(but("exp", nil)),
		"ExpiryNotANumber": hs256(but("exp", "tomorrow")),
		"NoSubject":        hs256(but("sub", nil)),
		"NULInSubject":     hs256(but("sub", "a\x00b")),
		"EmptySubject":     hs256(but("sub", "")),
		"NotYetValid":      hs256(but("nbf", time.Now().Add(time.Hour).Unix())),
		"AdminScope":       hs256(but("scope", "openid admin")),
		"LimitedRefunds":   hs256(but("scope", "refunds:write:5000")),
		"TooLong":          hs256(but("padding", strings.Repeat("x", 16<<10))),
		"NotAToken":        "hello",
		"Empty":            "",
	}
}

func TestForgeriesAre401(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Auth: callers{tokens(t)}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.Customer.GET("/me", func(c echo.Context) error { return c.JSON(http.StatusOK, web.CallerOf(c)) })
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ask := func(t *testing.T, token string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/me", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	for name, token := range forgeries(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := ask(t, token)
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			challenge := resp.Header.Get("WWW-Authenticate")
			switch name {
			case "Empty":
				require.Equal(t, "Bearer", challenge)
			case "Expired":
				require.Equal(t, `Bearer error="invalid_token", error_description="The access token has expired. Get a new one."`, challenge)
			case "NotYetValid":
				require.Contains(t, challenge, `error_description="The access token is not valid yet."`)
			default:
				require.Contains(t, challenge, `Bearer error="invalid_token", error_description="The access token `)
				require.NotContains(t, challenge, "expired")
			}
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), `"code":"unauthorized"`)

			_, err = tokens(t).Verify(t.Context(), token)
			f, ok := fault.As(err)
			require.True(t, ok)
			require.Equal(t, fault.Unauthorized, f.Kind)
		})
	}
	t.Run("TheRealOnePasses", func(t *testing.T) {
		t.Parallel()
		resp := ask(t, sign(t, jwt.SigningMethodHS256, []byte(secret), good()))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"Subject":"ann","Scopes":null,"Guest":false,"Address":"127.0.0.1"}`, string(body))
	})
}

func TestWhatIsMintedIsVerified(t *testing.T) {
	t.Parallel()
	token, expires, err := tokens(t).Mint("ann", []string{"admin", "pricing"}, time.Hour)
	require.NoError(t, err)
	claims, err := tokens(t).Verify(t.Context(), token)
	require.NoError(t, err)
	require.NotEmpty(t, claims.ID)
	require.Equal(t, auth.Claims{Subject: "ann", Scopes: []string{"admin", "pricing"}, ID: claims.ID, ExpiresAt: expires}, claims)
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, 5*time.Second)

	guest, expires, err := tokens(t).MintGuest("guest", time.Hour)
	require.NoError(t, err)
	claims, err = tokens(t).Verify(t.Context(), guest)
	require.NoError(t, err)
	require.Equal(t, auth.Claims{Subject: "guest", Guest: true, ExpiresAt: expires}, claims)
}

func TestAnEndedTokenPassesWithinItsLeewayOnly(t *testing.T) {
	t.Parallel()
	token, _, err := tokens(t).MintGuest("ann", -24*time.Hour)
	require.NoError(t, err)

	subject, err := tokens(t).VerifyGuest(token, 30*24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, "ann", subject)
	_, err = tokens(t).VerifyGuest(token, 23*time.Hour)
	require.ErrorIs(t, err, auth.ErrUnauthorized)
	_, err = tokens(t).Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthorized)
	for name, forged := range forgeries(t) {
		if name == "Expired" {
			continue
		}
		_, err := tokens(t).VerifyGuest(forged, 30*24*time.Hour)
		require.Error(t, err, name)
	}
}

// TestKeys checks that a new key of customers ends no session.
func TestKeys(t *testing.T) {
	t.Parallel()
	before, after := settings(), settings()
	before.CustomerSecrets, after.CustomerSecrets = []string{former}, []string{secret, former}
	old, err := auth.New(before)
	require.NoError(t, err)
	rotated, err := auth.New(after)
	require.NoError(t, err)
	kid := func(token string) any {
		parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
		require.NoError(t, err)
		return parsed.Header["kid"]
	}
	token, _, err := old.MintGuest("ann", time.Hour)
	require.NoError(t, err)
	claims, err := rotated.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, "ann", claims.Subject)
	fresh, _, err := rotated.MintGuest("ann", time.Hour)
	require.NoError(t, err)
	require.NotEqual(t, kid(token), kid(fresh))
	require.NotEmpty(t, kid(fresh))
	_, err = old.Verify(t.Context(), fresh)
	require.ErrorIs(t, err, auth.ErrUnauthorized)

	for name, key := range map[string]string{"Newest": secret, "Former": former} { // a shop's own log-in knows no ids
		_, err = rotated.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, []byte(key), good()))
		require.NoError(t, err, name)
		own := jwt.NewWithClaims(jwt.SigningMethodHS256, good())
		own.Header["kid"] = "1"
		token, err := own.SignedString([]byte(key))
		require.NoError(t, err)
		_, err = rotated.Verify(t.Context(), token)
		require.NoError(t, err, name)
	}
	stolen := jwt.NewWithClaims(jwt.SigningMethodHS256, good())
	stolen.Header["kid"] = kid(fresh)
	token, err = stolen.SignedString([]byte(former))
	require.NoError(t, err)
	_, err = rotated.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthorized, "the id names another key")
}

// TestOperators checks the rules for operators' tokens.
func TestOperators(t *testing.T) {
	t.Parallel()
	now := time.Now()
	operator := func(name string, value any) string {
		c := jwt.MapClaims{"sub": "ada", "aud": "shop", "scope": "admin", "jti": "1", "iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix()}
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return sign(t, jwt.SigningMethodHS256, []byte(operators), c)
	}
	claims, err := tokens(t).Verify(t.Context(), operator("guest", true))
	require.NoError(t, err)
	require.Equal(t, auth.Claims{Subject: "ada", Scopes: []string{"admin"}, ID: "1", ExpiresAt: claims.ExpiresAt}, claims)
	_, err = tokens(t).VerifyGuest(operator("guest", true), 0)
	require.ErrorIs(t, err, auth.ErrNotGuest)
	for name, token := range map[string]string{
		"NoID": operator("jti", nil), "NoTimeOfIssue": operator("iat", nil), "TooDurable": operator("iat", now.Add(-2*time.Second).Unix()),
		"IssuedLater": operator("iat", now.Add(2*time.Minute).Unix()), "AnotherAudience": operator("aud", "elsewhere"),
		"Expired": operator("exp", now.Add(-time.Second).Unix()),
	} {
		_, err := tokens(t).Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnauthorized, name)
	}
	none := settings()
	none.OperatorSecret = ""
	without, err := auth.New(none)
	require.NoError(t, err)
	_, err = without.Verify(t.Context(), operator("scope", "admin"))
	require.ErrorIs(t, err, auth.ErrUnauthorized)
	_, _, err = without.Mint("ada", []string{"admin"}, time.Hour)
	require.Error(t, err)
}

func TestAWeakSetUpIsRefused(t *testing.T) {
	t.Parallel()
	for name, weaken := range map[string]func(*auth.Config){
		"at least 32": func(c *auth.Config) { c.CustomerSecrets[0] = secret[1:] },
		"has 31":      func(c *auth.Config) { c.CustomerSecrets[1] = former[1:] },
		"has 30":      func(c *auth.Config) { c.OperatorSecret = operators[2:] },
		"audience":    func(c *auth.Config) { c.Audience = "" },
		"no secret":   func(c *auth.Config) { c.CustomerSecrets = nil },
	} {
		c := settings()
		weaken(&c)
		_, err := auth.New(c)
		require.ErrorContains(t, err, name)
	}
	_, _, err := tokens(t).Mint("", nil, time.Hour)
	require.Error(t, err)
	_, _, err = tokens(t).Mint("ann", []string{"admin"}, 12*time.Hour+1)
	require.ErrorContains(t, err, "12h")
}
