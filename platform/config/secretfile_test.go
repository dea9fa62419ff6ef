package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "value")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, name := range secretSettings() {
		require.True(t, names()[name], "%s is no setting", name)
	}
	for name := range names() {
		holdsSecret := (strings.Contains(name, "_SECRET") || strings.HasSuffix(name, "DATABASE_URL")) && !strings.HasSuffix(name, fileSuffix)
		require.Equal(t, holdsSecret, slices.Contains(secretSettings(), name), name)
	}
	c, err := parse(map[string]string{
		"DATABASE_URL_FILE": file("postgres://app:hush@db/shop?sslmode=verify-full\n"), "AUTH_SECRET_FILE": file("\ufeff" + goodSecret + "\r\n"),
		"ADMIN_SECRET_FILE": file(adminSecret), "PAYMENT_PROVIDER": Stripe, "STRIPE_SECRET_KEY_FILE": file("sk_live_1"), "STRIPE_WEBHOOK_SECRET_FILE": file("whsec_1"),
	})
	require.NoError(t, err)
	require.Equal(t, "postgres://app:hush@db/shop?sslmode=verify-full", c.DatabaseURL)
	require.Equal(t, []string{goodSecret, "sk_live_1", "whsec_1"}, []string{c.AuthSecret, c.StripeSecretKey, c.StripeWebhookSecret})

	_, err = parse(map[string]string{"AUTH_SECRET_FILE": file(goodSecret), "AUTH_SECRET": goodSecret})
	require.EqualError(t, err, "AUTH_SECRET and AUTH_SECRET_FILE are both set: remove one of them")
	_, err = parse(map[string]string{"AUTH_SECRET_FILE": file("hush")})
	require.ErrorContains(t, err, "AUTH_SECRET must have 32 bytes or more")
	require.NotContains(t, err.Error(), "hush")
	require.Equal(t, []string{"PATH=/bin"}, Foreign([]string{"AUTH_SECRET_FILE=x", "PATH=/bin", "DATABASE_URL=y"}))
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for url, warns := range map[string]bool{
		"":                                   false,
		"postgres://app@db.example.com/shop": true, // a client prefers TLS and does without
		"postgres://app@db.example.com/shop?sslmode=disable":     true,
		"postgres://app@db.example.com/shop?sslmode=allow":       true,
		"postgres://app@localhost,10.0.0.7/shop?sslmode=disable": true,
		"postgres://app@db.example.com/shop?sslmode=require":     false,
		"postgres://app@db.example.com/shop?sslmode=verify-full": false,
		"postgres://app@localhost/shop?sslmode=disable":          false,
		"postgres://app@[::1]/shop":                              false,
		"postgres://app@/shop?host=/var/run/postgresql":          false,
	} {
		c := Config{CartDatabaseURL: url, PaymentProvider: Stripe}
		require.Equal(t, warns, len(c.Warnings()) == 1, url)
	}
	c := Config{DatabaseURL: "postgres://app:hush@db.example.com/shop", PaymentProvider: Simulator}
	require.Equal(t, []string{
		"Payments are simulated although a database is named: no money moves. For a shop with customers set PAYMENT_PROVIDER=stripe.",
		"DATABASE_URL leads to db.example.com, and the connection may be made without TLS: add sslmode=verify-full.",
	}, c.Warnings())
	require.Empty(t, Config{PaymentProvider: Simulator}.Warnings(), "the embedded database is for trials")

	one := Config{DatabaseURL: "postgres://app@localhost/shop", PaymentProvider: Stripe, AuthSecret: goodSecret}
	require.NoError(t, one.FillSecrets())
	require.Len(t, one.Warnings(), 1, "one secret makes customers and operators")
	require.NotEqual(t, one.AuthSecret, one.AdminSecret)
	two := Config{DatabaseURL: one.DatabaseURL, PaymentProvider: Stripe, AuthSecret: goodSecret, AdminSecret: adminSecret}
	require.NoError(t, two.FillSecrets())
	require.Equal(t, adminSecret, two.AdminSecret)
	issued := Config{DatabaseURL: one.DatabaseURL, DataDir: "/nowhere", PaymentProvider: Stripe, AuthSecret: goodSecret, AdminIssuers: []string{"https://id.example.com"}}
	require.NoError(t, issued.FillSecrets())
	require.Empty(t, issued.AdminSecret, "only the issuer makes operators")
	require.Empty(t, two.Warnings())
}
