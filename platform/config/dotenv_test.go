package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An error names the number of the line and prints nothing of the file.
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

// A $ in a secret is not expanded.
func TestEnvFileValues(t *testing.T) {
	t.Parallel()
	for written, value := range map[string]string{
		`x$1Zabc`: `x$1Zabc`, `"x$1Zabc"`: `x$1Zabc`, `'x$1Zabc'`: `x$1Zabc`,
		`$PATH${HOME}$(id)$`: `$PATH${HOME}$(id)$`, `"$PATH${HOME}$(id)$"`: `$PATH${HOME}$(id)$`,
		`x\$A`: `x\$A`, `"x\$A"`: `x$A`, `'x\$A'`: `x\$A`, `"a\\$A"`: `a\$A`,
		`"a\"b"`: `a"b`, `"a\""`: `a"`, `"a\\"`: `a\`, `'a\'`: `a\`, `"a\nb"`: "a\nb", `a\nb`: `a\nb`,
		`a#b`: `a#b`, `#b`: `#b`, `a # b # c`: `a`, `"a # b" # c`: `a # b`, `''`: ``, ``: ``, ` # c`: ``, ` a `: `a`, `a=b:c`: `a=b:c`,
	} {
		setting, read, err := parseLine("NAME=" + written)
		require.NoError(t, err, written)
		require.Equal(t, []string{"NAME", value}, []string{setting, read}, written)
	}
}

func TestInvisibleCharacters(t *testing.T) {
	t.Parallel()
	secret := goodSecret
	c, err := parse(map[string]string{"AUTH_SECRET": "\ufeff" + secret + "\ufeff\n"})
	require.NoError(t, err)
	require.Equal(t, secret, c.AuthSecret)
	for flaw, sentence := range map[string]string{
		"\u200b": "must not hold an invisible character, such as a zero-width space: type the value again", "\xff": "must be text in UTF-8",
		"\x01": "must not hold a line break or another control character", "\ufeff": "must not hold an invisible character, such as a zero-width space: type the value again",
	} {
		for _, name := range []string{"AUTH_SECRET", "SIMULATOR_SECRET", "DATABASE_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"} {
			_, err := parse(map[string]string{name: secret + flaw + secret})
			require.EqualError(t, err, name+" "+sentence)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, authSecretFile)
		require.NoError(t, os.WriteFile(path, []byte(secret+flaw+secret), 0o600))
		_, err := Secret(dir, authSecretFile)
		require.EqualError(t, err, "the secret in "+path+" "+sentence)
	}
	folder, err := parse(map[string]string{"DATA_DIR": "\u0645\u06cc\u200c\u0634\u0648\u062f"})
	require.NoError(t, err, "a folder may have any name")
	require.NotEmpty(t, folder.DataDir)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, authSecretFile), []byte("\ufeff"+secret+"\r\n"), 0o600))
	read, err := Secret(dir, authSecretFile)
	require.NoError(t, err)
	require.Equal(t, secret, read)
}

// An error does not print a secret in the wrong setting.
func TestNoValueIsPrinted(t *testing.T) {
	t.Parallel()
	const marker = "hunter2-marker"
	for name := range names() {
		for _, value := range []string{marker, "postgres://app@db/shop?sslmode=" + marker, "postgres://app:" + marker + "@db:x/shop", "7" + marker, "https://" + marker + "/?x#y"} {
			_, err := parse(map[string]string{name: value})
			if err != nil {
				require.ErrorContains(t, err, name)
				require.NotContains(t, err.Error(), marker)
			}
		}
	}
	for name, sentence := range map[string]string{
		"CONSOLE": "CONSOLE must be true or false", "LOG_LEVEL": "LOG_LEVEL must be debug, info, warn or error",
		"STEP_DEADLINE": "STEP_DEADLINE must be a duration, such as 500ms, 30s or 15m",
		"QUEUE_SIZE":    "QUEUE_SIZE must be a whole number below 2147483648", "COMMITTERS": "COMMITTERS must be a whole number below 2147483648",
	} {
		_, err := parse(map[string]string{name: marker})
		require.EqualError(t, err, sentence)
	}
}

// A secret from "echo" or a file may end with a line break.
func TestSettingsAreTrimmed(t *testing.T) {
	t.Parallel()
	secret := goodSecret
	c, err := parse(map[string]string{
		"DATABASE_URL": " postgres://app@db/shop\n", "AUTH_SECRET": secret + "\n", "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": "stripe\r\n",
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

// The error of a URL has the reason, and never the password.
func TestRefusedDatabaseURLSaysWhy(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"postgres://app:hu#sh@db/shop":                                       "it contains a #: escape it in the user and the password as %23",
		"postgres://app:hu/sh@db/shop":                                       "it contains a /: escape",
		"postgres://app:hu?sh@db/shop":                                       "it contains a ?: escape",
		"postgres://app:hu@sh@db/shop":                                       "it contains a second @: escape",
		"postgres://app:hu%sh@db/shop":                                       "it contains a % that begins no escape: write %25",
		"postgres://app:hu sh@db/shop":                                       "it contains a space or a line break",
		"postgres://app:hush@db:70000/shop":                                  "the port must be a number from 1 to 65535",
		"postgres://app:hush@db:nine/shop":                                   "the port must be a number from 1 to 65535",
		"postgres://app:hush@db/shop?sslmode=sure":                           "sslmode",
		"postgres://app:hush@db/shop?sslmode=verify-full&sslrootcert=/no/ca": "/no/ca",
		"postgres://app:hush@db/shop?sslmode=require&sslcert=/no/cert":       "sslcert",
		"postgres://app:hush@db/shop?connect_timeout=hush":                   "one of its parameters is wrong",
		"host=db password=hush":                                              "it must begin with postgres://",
	} {
		_, err := parse(map[string]string{"ORDER_DATABASE_URL": url})
		require.ErrorContains(t, err, "ORDER_DATABASE_URL must be a URL such as postgres://user:password@host:5432/shop?sslmode=verify-full: ", url)
		require.ErrorContains(t, err, why, url)
		for _, secret := range []string{"hush", "hu#", "hu/", "hu@", "hu%", "hu?"} {
			require.NotContains(t, err.Error(), secret, url)
		}
	}
}

func TestFileSuppliesTheVariablesOfOpenTelemetry(t *testing.T) {
	emptyEnvironment(t)
	t.Chdir(t.TempDir())
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	t.Setenv("OTEL_TRACES_SAMPLER", "") // restored at the end
	require.NoError(t, os.Unsetenv("OTEL_TRACES_SAMPLER"))
	require.NoError(t, os.WriteFile(".env", []byte("OTEL_SERVICE_NAME=other\nOTEL_TRACES_SAMPLER=always_off\n"), 0o600))
	_, err := Load()
	require.NoError(t, err)
	require.Equal(t, "always_off", os.Getenv("OTEL_TRACES_SAMPLER"))
	require.Equal(t, "shop", os.Getenv("OTEL_SERVICE_NAME"), "the environment wins")
}
