package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"shopping-cart/platform/database"
)

// wrongURL says why a URL of PostgreSQL cannot be used, and is empty when it can. It quotes nothing of the URL: that may
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

// badEscape is a percent sign that begins no escape.
var badEscape = regexp.MustCompile(`%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)`)

// wrongCharacters finds what a password brings into a URL when it is not escaped.
func wrongCharacters(rest string) string {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	path, _, _ := strings.Cut(tail, "?")
	escape := ", which must be escaped in the user and the password: write "
	switch {
	case strings.ContainsAny(rest, " \t\r\n"):
		return "it holds a space or a line break"
	case strings.Contains(rest, "#"):
		return "it holds a #" + escape + "%23"
	case badEscape.MatchString(rest):
		return "it holds a % that begins no escape: write %25"
	case strings.Count(authority, "@") > 1:
		return "it holds a second @" + escape + "%40"
	case !strings.Contains(authority, "@") && strings.Contains(path, "@"):
		return "it holds a /" + escape + "%2F"
	case strings.HasPrefix(tail, "?") && !strings.Contains(authority, "@") && strings.Contains(authority, ":") && strings.Contains(tail, "@"):
		return "it holds a ?" + escape + "%3F"
	}
	return ""
}

func hasWrongPort(rest string) bool {
	authority, _, _ := strings.Cut(rest, "/")
	hosts := authority[strings.Index(authority, "@")+1:]
	for host := range strings.SplitSeq(hosts, ",") {
		_, port, err := net.SplitHostPort(host)
		if err != nil || port == "" {
			continue // none is named
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return true
		}
	}
	return false
}

// secretsOf are the parts of a URL that nobody may print.
func secretsOf(u *url.URL) []string {
	password, _ := u.User.Password()
	return []string{password, u.Query().Get("password"), u.Query().Get("sslpassword")}
}
