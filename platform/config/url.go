package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"shopping-cart/platform/database"
)

// wrongURL returns the reason why a PostgreSQL URL is invalid, or "" for a valid one. It quotes no part of the URL, which may
// hold the password.
func wrongURL(text string) string {
	rest, is := cutScheme(text)
	if !is {
		return "it must begin with postgres://"
	}
	if wrong := wrongCharacters(rest); wrong != "" {
		return wrong
	}
	if hasWrongPort(rest) {
		return "the port must be a number from 1 to 65535"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "it is not a URL"
	}
	_, err = database.Parse(text)
	if err == nil {
		return ""
	}
	reason := strings.TrimPrefix(err.Error(), "parse the database URL: ")
	for _, secret := range secretsOf(u) {
		if secret != "" && strings.Contains(reason, secret) {
			return "one of its parameters is wrong"
		}
	}
	return reason
}

func cutScheme(text string) (rest string, is bool) {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, is := strings.CutPrefix(text, scheme); is {
			return rest, true
		}
	}
	return "", false
}

// badEscape matches a percent sign that begins no escape.
var badEscape = regexp.MustCompile(`%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)`)

// wrongCharacters finds the characters that an unescaped password adds to a URL.
func wrongCharacters(rest string) string {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	path, _, _ := strings.Cut(tail, "?")
	escape := ": escape it in the user and the password as "
	switch {
	case strings.ContainsAny(rest, " \t\r\n"):
		return "it contains a space or a line break"
	case strings.Contains(rest, "#"):
		return "it contains a #" + escape + "%23"
	case badEscape.MatchString(rest):
		return "it contains a % that begins no escape: write %25"
	case strings.Count(authority, "@") > 1:
		return "it contains a second @" + escape + "%40"
	case !strings.Contains(authority, "@") && strings.Contains(path, "@"):
		return "it contains a /" + escape + "%2F"
	case strings.HasPrefix(tail, "?") && !strings.Contains(authority, "@") && strings.Contains(authority, ":") && strings.Contains(tail, "@"):
		return "it contains a ?" + escape + "%3F"
	}
	return ""
}

func hasWrongPort(rest string) bool {
	authority, _, _ := strings.Cut(rest, "/")
	hosts := authority[strings.Index(authority, "@")+1:]
	for host := range strings.SplitSeq(hosts, ",") {
		_, port, err := net.SplitHostPort(host)
		if err != nil || port == "" {
			continue // no port
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return true
		}
	}
	return false
}

// secretsOf returns the parts of a URL that must not be printed.
func secretsOf(u *url.URL) []string {
	password, _ := u.User.Password()
	return []string{password, u.Query().Get("password"), u.Query().Get("sslpassword")}
}
