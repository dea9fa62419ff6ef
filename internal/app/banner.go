package app

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"shopping-cart/platform/config"
	"shopping-cart/ui/console"
)

// LocalURL returns the address at which this process reaches itself: the one it listens on, or loopback if it listens on all.
func LocalURL(scheme string, address net.Addr) string {
	host, port, _ := net.SplitHostPort(address.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// greet prints the addresses of the program.
func greet(w io.Writer, settings config.Config, listeners Listeners) {
	public, admin := settings.BaseURL(listeners.Public.Addr()), settings.AdminBaseURL(listeners.admin().Addr())
	where, program := "in the database of DATABASE_URL", ProgramName()
	if settings.Embedded() {
		where = settings.DataDir
		if absolute, err := filepath.Abs(settings.DataDir); err == nil {
			where = absolute
		}
		if settings.DataDir != config.DefaultDataDir { // another shell may not have the setting
			program = "DATA_DIR='" + strings.ReplaceAll(where, "'", `'\''`) + "' " + program
		}
	}
	pages := ""
	if settings.ShopOn() {
		pages = fmt.Sprintf("  shop     %s/shop (%s demo fills it)\n", public, program)
	}
	if admin != public {
		pages += "  public   " + public + "\n"
	}
	if settings.Console {
		pages += "  console  " + admin + console.Path + "\n"
	}
	fmt.Fprintf(w, "shopping-cart is ready\n%s  API      %s/swagger\n  data     %s\n  operator %s token --admin\n", pages, admin, where, program)
}

// ProgramName returns the name under which this program was called, for use in messages.
func ProgramName() string {
	if byGoRun.MatchString(filepath.ToSlash(os.Args[0])) {
		return "go run ."
	}
	return os.Args[0]
}

// byGoRun matches the places from which "go run" starts programs: a folder of its own, or the build cache.
var byGoRun = regexp.MustCompile(`/exe/[^/]+$|/[0-9a-f]{64}-d/[^/]+$`)
