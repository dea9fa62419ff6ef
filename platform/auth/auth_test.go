package auth_test

import (
	"bytes"
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

var secret = bytes.Repeat([]byte("s"), auth.MinSecret)

// callers reads tokens for a web server, as the program does.
type callers struct{ *auth.Tokens }

func (c callers) Authenticate(_ context.Context, token string) (web.Caller, error) {
	claims, err := c.Verify(token)
	return web.Caller{Subject: claims.Subject, Scopes: claims.Scopes, Guest: claims.Guest}, err
}

func tokens(t *testing.T) *auth.Tokens {
	t.Helper()
	made, err := auth.New(secret, "shop")
	require.NoError(t, err)
	return made
}

// good returns valid claims; each test breaks one of them.
func good() jwt.MapClaims {
	return jwt.MapClaims{"sub": "ann", "aud": "shop", "scope": "admin pricing", "exp": time.Now().Add(time.Hour).Unix()}
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
	hs256 := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodHS256, secret, c) }
	valid := hs256(good())
	parts := strings.Split(valid, ".")
	return map[string]string{
		"NoAlgorithm":      sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()),
		"HS512":            sign(t, jwt.SigningMethodHS512, secret, good()),
		"HS384":            sign(t, jwt.SigningMethodHS384, secret, good()),
		"RS256":            sign(t, jwt.SigningMethodRS256, rsaKey, good()),
		"AnotherSecret":    sign(t, jwt.SigningMethodHS256, bytes.Repeat([]byte("x"), 32), good()),
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
				require.Contains(t, challenge, `Bearer error="invalid_token", error_description="The access token is `)
				require.NotContains(t, challenge, "expired")
			}
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), `"code":"unauthorized"`)

			_, err = tokens(t).Verify(token)
			f, ok := fault.As(err)
			require.True(t, ok)
			require.Equal(t, fault.Unauthorized, f.Kind)
		})
	}
	t.Run("TheRealOnePasses", func(t *testing.T) {
		t.Parallel()
		resp := ask(t, sign(t, jwt.SigningMethodHS256, secret, good()))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"Subject":"ann","Scopes":["admin","pricing"],"Guest":false,"Address":"127.0.0.1"}`, string(body))
	})
}

func TestWhatIsMintedIsVerified(t *testing.T) {
	t.Parallel()
	token, expires, err := tokens(t).Mint("ann", []string{"admin", "pricing"}, time.Hour)
	require.NoError(t, err)
	claims, err := tokens(t).Verify(token)
	require.NoError(t, err)
	require.Equal(t, auth.Claims{Subject: "ann", Scopes: []string{"admin", "pricing"}, ExpiresAt: expires}, claims)
	require.True(t, claims.Has("pricing"))
	require.False(t, claims.Has("other"))
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, 5*time.Second)

	guest, expires, err := tokens(t).MintGuest("guest", time.Hour)
	require.NoError(t, err)
	claims, err = tokens(t).Verify(guest)
	require.NoError(t, err)
	require.Equal(t, auth.Claims{Subject: "guest", Scopes: []string{}, Guest: true, ExpiresAt: expires}, claims)
}

func TestAnEndedTokenPassesWithinItsLeewayOnly(t *testing.T) {
	t.Parallel()
	token, _, err := tokens(t).Mint("ann", nil, -24*time.Hour)
	require.NoError(t, err)

	claims, err := tokens(t).VerifyExpired(token, 30*24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, "ann", claims.Subject)
	_, err = tokens(t).VerifyExpired(token, 23*time.Hour)
	require.ErrorIs(t, err, auth.ErrUnauthorized)
	_, err = tokens(t).Verify(token)
	require.ErrorIs(t, err, auth.ErrUnauthorized)
	for name, forged := range forgeries(t) {
		if name == "Expired" {
			continue
		}
		_, err := tokens(t).VerifyExpired(forged, 30*24*time.Hour)
		require.ErrorIs(t, err, auth.ErrUnauthorized, name)
	}
}

func TestAWeakSetUpIsRefused(t *testing.T) {
	t.Parallel()
	_, err := auth.New(secret[1:], "shop")
	require.ErrorContains(t, err, "at least 32")
	_, err = auth.New(secret, "")
	require.Error(t, err)
	_, _, err = tokens(t).Mint("", nil, time.Hour)
	require.Error(t, err)
}
