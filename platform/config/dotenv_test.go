package config

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A bad line is named by its number, and nothing that stands in the file is printed.
func TestBadLineOfEnvFile(t *testing.T) {
	for name, file := range map[string]string{
		"LostQuote":          "QUEUE_SIZE=7\nAUTH_SECRET='hush\nSTRIPE_SECRET_KEY=hush\n",
		"LostQuoteThenQuote": "QUEUE_SIZE=7\nAUTH_SECRET=\"hush\nLOG_FORMAT=\"text\"\n",
		"NoEqualsSign":       "# hush\nhush\nAUTH_SECRET=hush\n",
		"NoEqualsSignAtEnd":  "QUEUE_SIZE=7\nhush",
		"StrangeName":        "QUEUE_SIZE=7\nAUTH SECRET=hush\n",
		"TextBehindQuote":    "QUEUE_SIZE=7\nAUTH_SECRET='hu'sh'\n",
	} {
		t.Run(name, func(t *testing.T) {
			emptyEnvironment(t)
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile(".env", []byte(file), 0o600))
			_, err := Load()
			require.ErrorContains(t, err, ".env, line 2: ")
			require.NotContains(t, err.Error(), "hush")
		})
	}
}

func TestEnvFileOfWindows(t *testing.T) {
	for name, file := range map[string]string{
		"ByteOrderMark": "\xef\xbb\xbfQUEUE_SIZE=7\nLOG_FORMAT=json\n",
		"CRLF":          "QUEUE_SIZE=7\r\n\r\nexport LOG_FORMAT='json' # for machines\r\n",
		"Both":          "\xef\xbb\xbf# settings\r\nQUEUE_SIZE = 7\r\nLOG_FORMAT: \"json\"",
	} {
		t.Run(name, func(t *testing.T) {
			emptyEnvironment(t)
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile(".env", []byte(file), 0o600))
			c, err := Load()
			require.NoError(t, err)
			require.Equal(t, 7, c.QueueSize)
			require.Equal(t, "json", c.LogFormat)
		})
	}
	t.Run("UTF16Refused", func(t *testing.T) {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile(".env", []byte("\xff\xfeA\x00=\x00h\x00"), 0o600))
		_, err := Load()
		require.ErrorContains(t, err, ".env must be a text file in UTF-8")
	})
}

// A secret comes from "echo" or a file with a line break at its end.
func TestSettingsAreTrimmed(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	c, err := parse(map[string]string{
		"DATABASE_URL": " postgres://app@db/shop\n", "AUTH_SECRET": secret + "\n", "PAYMENT_PROVIDER": "stripe\r\n",
		"STRIPE_SECRET_KEY": "sk_live_1\n", "STRIPE_WEBHOOK_SECRET": "\twhsec_1\n", "SIMULATOR_SECRET": secret + " ", "QUEUE_SIZE": "7\n",
	})
	require.NoError(t, err)
	require.Equal(t, "postgres://app@db/shop", c.DatabaseURL)
	require.Equal(t, []string{secret, secret, "sk_live_1", "whsec_1"}, []string{c.AuthSecret, c.SimulatorSecret, c.StripeSecretKey, c.StripeWebhookSecret})

	_, err = parse(map[string]string{"AUTH_SECRET": secret + "\n" + secret})
	require.EqualError(t, err, "AUTH_SECRET must not hold a line break or another control character")
	_, err = parse(map[string]string{"AUTH_SECRET": strings.Repeat("s", 31) + "\n"})
	require.ErrorContains(t, err, "AUTH_SECRET must have 32 bytes or more")
}

// A refused URL says why, and never the password.
func TestRefusedDatabaseURLSaysWhy(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"postgres://app:hu#sh@db/shop":                                       "it holds a #, which must be escaped in the user and the password: write %23",
		"postgres://app:hu/sh@db/shop":                                       "it holds a /, which",
		"postgres://app:hu?sh@db/shop":                                       "it holds a ?, which",
		"postgres://app:hu@sh@db/shop":                                       "it holds a second @, which",
		"postgres://app:hu%sh@db/shop":                                       "it holds a % that begins no escape: write %25",
		"postgres://app:hu sh@db/shop":                                       "it holds a space or a line break",
		"postgres://app:hush@db:70000/shop":                                  "the port must be a number from 1 to 65535",
		"postgres://app:hush@db:nine/shop":                                   "the port must be a number from 1 to 65535",
		"postgres://app:hush@db/shop?sslmode=sure":                           "sslmode",
		"postgres://app:hush@db/shop?sslmode=verify-full&sslrootcert=/no/ca": "/no/ca",
		"postgres://app:hush@db/shop?sslmode=require&sslcert=/no/cert":       "sslcert",
		"postgres://app:hush@db/shop?connect_timeout=hush":                   "one of its parameters is wrong",
		"host=db password=hush":                                              "it must begin with postgres://",
	} {
		_, err := parse(map[string]string{"ORDER_DATABASE_URL": url})
		require.ErrorContains(t, err, "ORDER_DATABASE_URL must be a URL such as postgres://user:password@host:5432/shop: ", url)
		require.ErrorContains(t, err, why, url)
		for _, secret := range []string{"hush", "hu#", "hu/", "hu@", "hu%", "hu?"} {
			require.NotContains(t, err.Error(), secret, url)
		}
	}
}
