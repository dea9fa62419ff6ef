package auth

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func config() Config {
	return Config{CustomerSecrets: []string{strings.Repeat("s", MinSecret)}, OperatorSecret: strings.Repeat("a", MinSecret), Audience: "shop"}
}

// clocked returns Tokens with a clock that the test sets.
func clocked(t *testing.T) (*Tokens, *time.Time) {
	t.Helper()
	tokens, err := New(config())
	require.NoError(t, err)
	at := time.Now()
	tokens.now = func() time.Time { return at }
	return tokens, &at
}

func TestAProvenToken(t *testing.T) {
	t.Parallel()

	t.Run("SaysTheSameAgain", func(t *testing.T) {
		t.Parallel()
		tokens, _ := clocked(t)
		token, expires, err := tokens.Mint("ann", []string{"admin", "pricing"}, time.Hour)
		require.NoError(t, err)
		for range 3 {
			claims, err := tokens.Verify(t.Context(), token)
			require.NoError(t, err)
			require.NotEmpty(t, claims.ID)
			require.Equal(t, Claims{Subject: "ann", Scopes: []string{"admin", "pricing"}, ID: claims.ID, ExpiresAt: expires}, claims)
		}
		require.Len(t, tokens.cache.young, 1)
	})
	t.Run("EndsAllTheSame", func(t *testing.T) {
		t.Parallel()
		tokens, at := clocked(t)
		token, expires, err := tokens.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		*at = expires.Add(-time.Nanosecond)
		_, err = tokens.Verify(t.Context(), token)
		require.NoError(t, err)
		*at = expires
		_, err = tokens.Verify(t.Context(), token)
		require.ErrorIs(t, err, ErrUnauthorized)
		require.ErrorIs(t, err, jwt.ErrTokenExpired)
	})
	t.Run("BeginsAllTheSame", func(t *testing.T) {
		t.Parallel()
		tokens, at := clocked(t)
		begins := at.Add(time.Hour).Truncate(time.Second)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": "ann", "aud": "shop", "nbf": begins.Unix(), "exp": begins.Add(time.Hour).Unix(),
		}).SignedString(tokens.customers[0].secret)
		require.NoError(t, err)
		*at = begins
		_, err = tokens.Verify(t.Context(), token)
		require.NoError(t, err)
		*at = begins.Add(-time.Second) // the clock was set back
		_, err = tokens.Verify(t.Context(), token)
		require.ErrorIs(t, err, jwt.ErrTokenNotValidYet)
	})
	t.Run("ProvesNoOther", func(t *testing.T) {
		t.Parallel()
		tokens, _ := clocked(t)
		token, _, err := tokens.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		_, err = tokens.Verify(t.Context(), token)
		require.NoError(t, err)
		for _, other := range []string{token + "x", token[:len(token)-1], token + "=", " " + token} {
			for range 2 {
				_, err = tokens.Verify(t.Context(), other)
				require.ErrorIs(t, err, ErrUnauthorized, other)
			}
		}
	})
	t.Run("OfAnotherSecretIsNone", func(t *testing.T) {
		t.Parallel()
		before, _ := clocked(t)
		after, err := New(Config{CustomerSecrets: []string{strings.Repeat("x", MinSecret)}, Audience: "shop"})
		require.NoError(t, err)
		token, _, err := before.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		_, err = before.Verify(t.Context(), token)
		require.NoError(t, err)
		_, err = after.Verify(t.Context(), token)
		require.ErrorIs(t, err, ErrUnauthorized)
	})
	t.Run("ThatEndedAndPassedWithLeewayIsNone", func(t *testing.T) {
		t.Parallel()
		tokens, _ := clocked(t)
		token, _, err := tokens.MintGuest("ann", -time.Hour)
		require.NoError(t, err)
		_, err = tokens.VerifyGuest(token, 2*time.Hour)
		require.NoError(t, err)
		_, err = tokens.Verify(t.Context(), token)
		require.ErrorIs(t, err, ErrUnauthorized)
	})
}

func TestProvenForgetsTheUnused(t *testing.T) {
	t.Parallel()
	var p cache
	key := func(n int) [sha256.Size]byte { return sha256.Sum256([]byte(strconv.Itoa(n))) }
	for n := range 5 * cacheLimit {
		p.keep(key(n), verified{})
		_, used := p.find(key(0))
		require.True(t, used, n)
		require.LessOrEqual(t, len(p.young), cacheLimit)
		require.LessOrEqual(t, len(p.old), cacheLimit)
	}
	_, known := p.find(key(1))
	require.False(t, known)
}

func TestManyTokensAtOnce(t *testing.T) {
	t.Parallel()
	var p cache
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for n := range cacheLimit {
				subject := strconv.Itoa(n % (100 * (caller + 1)))
				key := sha256.Sum256([]byte(subject))
				if found, ok := p.find(key); ok && found.Subject != subject {
					t.Errorf("%s is taken for %s", subject, found.Subject)
				}
				p.keep(key, verified{Claims: Claims{Subject: subject}})
			}
		})
	}
	callers.Wait()
}
