package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// cacheLimit is the maximum number of tokens in a generation of cache.
const cacheLimit = 4096

// cache remembers tokens whose signature, audience and subject are valid. Those never change, and most requests repeat a recent
// token. The start and the expiry are checked on every request. The keys are hashes, so entries are small whatever the length of
// a token, and no token stays in memory.
type cache struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]verified // a full young becomes old, and the previous old is dropped
}

// verified holds the claims of a verified token.
type verified struct {
	Claims
	notBefore time.Time // zero: valid at once
	until     time.Time // it is verified again then
}

// at reports whether the token is valid at a time.
func (v verified) at(now time.Time) bool { return now.Before(v.until) && !now.Before(v.notBefore) }

func (c *cache) find(key [sha256.Size]byte) (verified, bool) {
	c.mu.RLock()
	found, young := c.young[key]
	known := young
	if !young {
		found, known = c.old[key]
	}
	c.mu.RUnlock()
	if known && !young {
		c.keep(key, found)
	}
	return found, known
}

func (c *cache) keep(key [sha256.Size]byte, one verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= cacheLimit {
		c.young, c.old = map[[sha256.Size]byte]verified{}, c.young
	}
	c.young[key] = one
}
