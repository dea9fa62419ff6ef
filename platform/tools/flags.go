package tools

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kong calls Validate before Run: an error is a wrong command line, with the exit status of one.

const (
	scopePricing = "pricing" // sets taxes and discounts
	longestTTL   = 365 * 24 * time.Hour
	mostAbreast  = 1024
	mostCustomer = 1000 // a second
)

// Validate refuses a token that no server takes, and one that is good for ever.
func (t *Token) Validate() error {
	for _, scope := range t.Scope {
		if scope != ScopeAdmin && scope != scopePricing {
			return fmt.Errorf("--scope must be %s or %s", ScopeAdmin, scopePricing)
		}
	}
	if t.TTL < time.Second || t.TTL > longestTTL {
		return fmt.Errorf("--ttl must be 1s to %.0fh (a year)", longestTTL.Hours())
	}
	if strings.TrimSpace(t.Subject) == "" || strings.ContainsFunc(t.Subject, unicode.IsControl) {
		return errors.New("--subject must name somebody")
	}
	return nil
}

// Validate refuses an address that is none.
func (h *Health) Validate() error { return checkBaseURL(h.BaseURL) }

// Validate refuses an address that is none.
func (v *Verify) Validate() error { return checkBaseURL(v.BaseURL) }

// Validate refuses what cannot be played.
func (r *Replay) Validate() error {
	if r.Concurrency < 1 || r.Concurrency > mostAbreast {
		return fmt.Errorf("--concurrency must be 1 to %d", mostAbreast)
	}
	return checkBaseURL(r.BaseURL)
}

// Validate refuses customers that never come, and those that come all at once.
func (d *Demo) Validate() error {
	if !(d.Rate > 0 && d.Rate <= mostCustomer) { // NaN is neither
		return fmt.Errorf("--rate must be above 0 and at most %d", mostCustomer)
	}
	if d.Seconds < 0 {
		return errors.New("--seconds must be 0 or more")
	}
	return checkBaseURL(d.BaseURL)
}

// checkBaseURL refuses what is no address of a server. An empty one stands for the server of these settings.
func checkBaseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("--base-url must be a URL such as http://localhost:8080")
	}
	return nil
}
