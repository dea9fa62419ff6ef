package config

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"shopping-cart/platform/database"
)

// Issuer is a trusted issuer of tokens. Its fields are those of auth.Issuer.
type Issuer struct {
	URL, Name, Audience, JWKS string
	Operators                 bool
	Claim                     string
}

// Issuers returns the issuers of AUTH_ISSUERS and ADMIN_ISSUERS. The error names the setting.
func (c Config) Issuers() (all []Issuer, err error) {
	for _, of := range []struct {
		setting   string
		texts     []string
		operators bool
	}{{"AUTH_ISSUERS", c.AuthIssuers, false}, {"ADMIN_ISSUERS", c.AdminIssuers, true}} {
		for _, text := range of.texts {
			i, why := c.issuer(text, of.operators)
			for _, other := range all {
				switch {
				case other.URL == i.URL:
					why = "must name each issuer once, in one of AUTH_ISSUERS and ADMIN_ISSUERS: an issuer of customers must not make operators"
				case other.Name == i.Name:
					why = fmt.Sprintf("must give each issuer another name: add ;name=… to one of those called %q", i.Name)
				}
			}
			if why != "" {
				return nil, fmt.Errorf("%s %s", of.setting, why)
			}
			all = append(all, i)
		}
	}
	return all, nil
}

// issuerName matches the names of issuers. A bar separates a name from the subject.
var issuerName = regexp.MustCompile(`^[A-Za-z0-9.:_\[\]-]{1,100}$`)

// issuer reads an entry: a URL, and parameters after semicolons.
func (c Config) issuer(text string, operators bool) (i Issuer, why string) {
	parts := strings.Split(text, ";")
	i = Issuer{URL: trim(parts[0]), Operators: operators}
	known := map[string]*string{"name": &i.Name, "audience": &i.Audience, "jwks": &i.JWKS}
	if operators {
		known["claim"] = &i.Claim
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		field := known[trim(name)]
		if field == nil || *field != "" || trim(value) == "" {
			return i, "may have these parameters after the URL, each once: " + parametersOf(operators)
		}
		*field = trim(value)
	}
	u, err := url.Parse(i.URL)
	if err != nil || !isSecureURL(i.URL) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return i, "must be URLs such as https://login.example.com/realms/shop, separated by commas; http only for this machine"
	}
	i.Name, i.Audience, i.Claim = cmp.Or(i.Name, u.Host), cmp.Or(i.Audience, c.AuthAudience), cmp.Or(i.Claim, "scope")
	switch {
	case i.JWKS != "" && !isSecureURL(i.JWKS):
		return i, "must have https addresses after ;jwks="
	case !issuerName.MatchString(i.Name):
		return i, "must have names of letters, digits, dots, colons, underscores and hyphens after ;name="
	}
	return i, ""
}

func parametersOf(operators bool) string {
	if operators {
		return ";audience=… ;name=… ;jwks=… ;claim=…"
	}
	return ";audience=… ;name=… ;jwks=…"
}

// isSecureURL reports whether an address has TLS or leads to this machine.
func isSecureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && database.IsLoopback(u.Hostname())
}
