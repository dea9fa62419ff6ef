package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// provenLimit is the maximum number of tokens in a generation of proven.
const provenLimit = 4096

// proven caches tokens whose signature, audience and subject are valid. Those never change, and most requests repeat a recent
// token. The start and the expiry are checked on every request. The keys are hashes, so entries are small whatever the length of
// a token, and no token stays in memory.
type proven struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]proof // a full young becomes old, and the previous old is dropped
}

// proof holds the claims of a verified token.
type proof struct {
	Claims
	notBefore time.Time // zero: valid at once
}

// at reports whether the token is valid at a time.
func (p proof) at(now time.Time) bool { return now.Before(p.ExpiresAt) && !now.Before(p.notBefore) }

func (p *proven) find(key [sha256.Size]byte) (proof, bool) {
	p.mu.RLock()
	found, young := p.young[key]
	known := young
	if !young {
		found, known = p.old[key]
	}
	p.mu.RUnlock()
	if known && !young {
		p.keep(key, found)
	}
	return found, known
}

func (p *proven) keep(key [sha256.Size]byte, one proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young == nil || len(p.young) >= provenLimit {
		p.young, p.old = map[[sha256.Size]byte]proof{}, p.young
	}
	p.young[key] = one
}
