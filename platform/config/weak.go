package config

import (
	"fmt"
	"strings"
)

// shortestSecret is the minimum length for HS256 in bytes: the length of its hash.
const shortestSecret = 32

// leastVariety is the number of different bytes, and of different steps from one byte to the next, that a secret must have. 32 random
// hexadecimal digits have fewer once in a billion times. Repeated and consecutive characters have few steps.
const leastVariety = 8

// examples are words of secrets that somebody copied or made up.
var examples = []string{"secret", "password", "changeme", "change-me", "change_me", "example", "placeholder", "a-long-one"}

// weakness returns the reason why a secret can be guessed, without quoting it, or "". No test finds each weak secret.
func weakness(secret string) string {
	if len(secret) < shortestSecret {
		return fmt.Sprintf("must have %d bytes or more: generate it, such as with openssl rand -hex 32", shortestSecret)
	}
	bytes, steps := map[byte]bool{}, map[byte]bool{}
	for i := range len(secret) {
		bytes[secret[i]] = true
		if i > 0 {
			steps[secret[i]-secret[i-1]] = true
		}
	}
	if len(bytes) < leastVariety || len(steps) < leastVariety {
		return "can be guessed, since it repeats itself: generate it, such as with openssl rand -hex 32"
	}
	for _, word := range examples {
		if strings.Contains(strings.ToLower(secret), word) {
			return fmt.Sprintf("can be guessed, since it contains %q: generate it, such as with openssl rand -hex 32", word)
		}
	}
	return ""
}
