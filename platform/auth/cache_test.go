package auth

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// clocked returns Tokens with a clock that the test sets.
func clocked(t *testing.T) (*Tokens, *time.Time) {
	t.Helper()
	tokens, err := New(bytes.Repeat([]byte("s"), MinSecret), "shop")
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
			claims, err := tokens.Verify(token)
			require.NoError(t, err)
			require.Equal(t, Claims{Subject: "ann", Scopes: []string{"admin", "pricing"}, ExpiresAt: expires}, claims)
		}
		require.Len(t, tokens.cache.young, 1)
	})
	t.Run("EndsAllTheSame", func(t *testing.T) {
		t.Parallel()
		tokens, at := clocked(t)
		token, expires, err := tokens.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		*at = expires.Add(-time.Nanosecond)
		_, err = tokens.Verify(token)
		require.NoError(t, err)
		*at = expires
		_, err = tokens.Verify(token)
		require.ErrorIs(t, err, ErrUnauthorized)
		require.ErrorIs(t, err, jwt.ErrTokenExpired)
	})
	t.Run("BeginsAllTheSame", func(t *testing.T) {
		t.Parallel()
		tokens, at := clocked(t)
		begins := at.Add(time.Hour).Truncate(time.Second)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": "ann", "aud": "shop", "nbf": begins.Unix(), "exp": begins.Add(time.Hour).Unix(),
		}).SignedString(tokens.secret)
		require.NoError(t, err)
		*at = begins
		_, err = tokens.Verify(token)
		require.NoError(t, err)
		*at = begins.Add(-time.Second) // the clock was set back
		_, err = tokens.Verify(token)
		require.ErrorIs(t, err, jwt.ErrTokenNotValidYet)
	})
	t.Run("ProvesNoOther", func(t *testing.T) {
		t.Parallel()
		tokens, _ := clocked(t)
		token, _, err := tokens.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		_, err = tokens.Verify(token)
		require.NoError(t, err)
		for _, other := range []string{token + "x", token[:len(token)-1], token + "=", " " + token} {
			for range 2 {
				_, err = tokens.Verify(other)
				require.ErrorIs(t, err, ErrUnauthorized, other)
			}
		}
	})
	t.Run("OfAnotherSecretIsNone", func(t *testing.T) {
		t.Parallel()
		before, _ := clocked(t)
		after, err := New(bytes.Repeat([]byte("x"), MinSecret), "shop")
		require.NoError(t, err)
		token, _, err := before.Mint("ann", nil, time.Hour)
		require.NoError(t, err)
		_, err = before.Verify(token)
		require.NoError(t, err)
		_, err = after.Verify(token)
		require.ErrorIs(t, err, ErrUnauthorized)
	})
	t.Run("ThatEndedAndPassedWithLeewayIsNone", func(t *testing.T) {
		t.Parallel()
		tokens, _ := clocked(t)
		token, _, err := tokens.Mint("ann", nil, -time.Hour)
		require.NoError(t, err)
		_, err = tokens.VerifyExpired(token, 2*time.Hour)
		require.NoError(t, err)
		_, err = tokens.Verify(token)
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
