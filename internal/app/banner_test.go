package app

import (
	"bytes"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/config"
)

// TestBannerNamesDataDir checks that the command in the banner works in another shell, which lacks the setting.
func TestBannerNamesDataDir(t *testing.T) {
	t.Parallel()
	listeners, err := listen(config.Config{HTTPAddr: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(listeners.Close)
	var set, open bytes.Buffer
	greet(&set, config.Config{DataDir: "/srv/ada's shop", Shop: "true"}, listeners)
	require.Contains(t, set.String(), `operator DATA_DIR='/srv/ada'\''s shop' `+ProgramName()+" token --admin\n")
	require.Contains(t, set.String(), `(DATA_DIR='/srv/ada'\''s shop' `+ProgramName()+" demo fills it)")
	greet(&open, config.Config{DataDir: config.DefaultDataDir}, listeners)
	require.Contains(t, open.String(), "operator "+ProgramName()+" token --admin\n")
	require.NotContains(t, open.String(), "DATA_DIR=")
}

// TestBannerNamesBothListeners checks that operators and shoppers each find their address.
func TestBannerNamesBothListeners(t *testing.T) {
	t.Parallel()
	settings := config.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", PublicURL: "https://shop.example.com/", Console: true}
	listeners, err := listen(settings)
	require.NoError(t, err)
	t.Cleanup(listeners.Close)
	var banner bytes.Buffer
	greet(&banner, settings, listeners)
	admin := "http://" + listeners.Admin.Addr().String()
	require.Contains(t, banner.String(), "  public   https://shop.example.com\n  console  "+admin+"/console\n  API      "+admin+"/swagger\n")
	settings.AdminURL = "https://ops.example.com"
	greet(&banner, settings, listeners)
	require.Contains(t, banner.String(), "  console  https://ops.example.com/console\n")
}

// TestRequestsAreDebugAtATerminal checks that at a terminal without LOG_LEVEL, request lines do not push the banner out of sight.
func TestRequestsAreDebugAtATerminal(t *testing.T) {
	t.Parallel()
	var open, set config.Config
	set.LogLevel = new(slog.LevelInfo)
	require.Equal(t, slog.LevelDebug, requestLevel(open, true))
	require.Equal(t, slog.LevelInfo, requestLevel(open, false))
	require.Equal(t, slog.LevelInfo, requestLevel(set, true))
	require.Equal(t, slog.LevelInfo, logLevel(open))
}

// TestOneAddress checks that a program bound to one address reaches itself there: the simulator's webhooks arrive, and 3-D Secure
// works.
func TestOneAddress(t *testing.T) {
	t.Parallel()
	for address, url := range map[string]string{
		"127.0.0.2:8080": "http://127.0.0.2:8080", "[::1]:8080": "http://[::1]:8080", "0.0.0.0:8080": "http://127.0.0.1:8080",
		"[::]:8080": "http://127.0.0.1:8080", "192.0.2.7:8080": "http://192.0.2.7:8080",
	} {
		at, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		require.Equal(t, url, LocalURL("http", at))
	}
}

// TestNextPort checks that the error proposes the next port.
func TestNextPort(t *testing.T) {
	t.Parallel()
	for address, next := range map[string]string{"127.0.0.1:8080": "127.0.0.1:8081", ":80": ":8081", "[::1]:65535": "[::1]:8081", "x": ":8081"} {
		require.Equal(t, next, nextPort(address), address)
	}
}
