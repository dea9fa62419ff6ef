package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// provenLimit is how many tokens a generation of proven holds.
const provenLimit = 4096

// proven are tokens whose signature, audience and subject were found good. Those never change, and most requests bring a
// token that was here a moment ago. When a token begins and ends is looked at every time. It knows tokens by their hashes:
// so they take little room however long they are, and none lies in memory.
type proven struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]proof // the young become the old when they are many, and the old are forgotten
}

// proof is what a token said.
type proof struct {
	Claims
	notBefore time.Time // zero: at once
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
