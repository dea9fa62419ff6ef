package payment

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const longestCall = 3 * time.Second

// fails reports n failed calls to the breaker, each of another caller.
func (b *breaker) fails(t require.TestingT, now time.Time, n int) {
	for i := range n {
		round, ok := b.allow(now, strconv.Itoa(i), longestCall)
		require.True(t, ok, "call %d", i)
		b.record(now, round, strconv.Itoa(i), true)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	t.Run("OpensWhenHalfOfTenFailed", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for i := range 5 {
			b.record(noon, 0, "well "+strconv.Itoa(i), false)
		}
		b.fails(t, noon, 4)
		require.Equal(t, closed, b.state())
		b.record(noon, 0, "the tenth", true)
		require.Equal(t, opened, b.state())
		_, ok := b.allow(noon.Add(breakerPause-1), "ada", longestCall)
		require.False(t, ok)
	})
	t.Run("WhatIsOldIsForgotten", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 9)
		b.fails(t, noon.Add(breakerWindow), 9)
		require.Equal(t, closed, b.state())
		b.record(noon.Add(2*breakerWindow-1), 0, "the tenth", true)
		require.Equal(t, opened, b.state())
	})
	t.Run("NoOneShopperOpensIt", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for range 100 {
			b.record(noon, 0, "ada", true)
		}
		require.Equal(t, closed, b.state())
		b.fails(t, noon, 8)
		require.Equal(t, closed, b.state(), "her hundred count as one")
	})
	t.Run("ACallerThatFailedDoesNotTest", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 10)
		b.record(noon, 0, "late", true) // it began before the breaker opened
		back := noon.Add(breakerPause)
		for _, suspect := range []string{"0", "9", "late"} {
			_, ok := b.allow(back, suspect, longestCall)
			require.False(t, ok, suspect)
		}
		require.True(t, b.wouldAllow(back, "ada"))
		alone, ok := b.allow(back.Add(breakerPause), "9", longestCall)
		require.True(t, ok, "nobody else came")
		b.record(back.Add(breakerPause), alone, "9", false)
		require.Equal(t, closed, b.state())
		require.Empty(t, b.suspects)
	})
	t.Run("OneTriesForAll", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 10)
		back := noon.Add(breakerPause)
		first, ok := b.allow(back, "new", longestCall)
		require.True(t, ok)
		require.Equal(t, halfOpen, b.state())
		_, ok = b.allow(back, "new", longestCall)
		require.False(t, ok, "one at a time")
		b.record(back, 0, "since before", false)
		require.Equal(t, halfOpen, b.state(), "what hung since before says nothing")
		b.record(back, first, "new", true)
		require.Equal(t, opened, b.state())

		again := back.Add(breakerPause)
		second, ok := b.allow(again, "bob", longestCall)
		require.True(t, ok)
		b.record(again, first, "new", false)
		require.Equal(t, halfOpen, b.state(), "said already")
		b.record(again, second, "bob", false)
		require.Equal(t, closed, b.state())
		b.fails(t, again, 9)
		require.Equal(t, closed, b.state(), "it begins anew")
	})
	t.Run("WhoForgoesMakesRoom", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 10)
		back := noon.Add(breakerPause)
		round, _ := b.allow(back, "new", longestCall)
		b.cancel(back, round)
		_, ok := b.allow(back, "new", longestCall)
		require.True(t, ok)
	})
	t.Run("WhoNeverComesBackIsLost", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 10)
		back := noon.Add(breakerPause)
		frozen, _ := b.allow(back, "new", longestCall)
		lost := back.Add(longestCall + breakerPause)
		_, ok := b.allow(lost.Add(-1), "new", longestCall)
		require.False(t, ok)
		next, ok := b.allow(lost, "new", longestCall)
		require.True(t, ok)
		b.record(lost, frozen, "ada", true)
		require.Equal(t, halfOpen, b.state(), "it thawed too late")
		b.record(lost, next, "bob", false)
		require.Equal(t, closed, b.state())
	})
}

// plainBreaker is a simple model of the breaker: it keeps each call and counts all of them each time.
type plainBreaker struct {
	state     breakerState
	since     time.Time // start of the state
	calls     []vote    // since it closed
	suspects  map[string]bool
	changes   int
	triesEnd  time.Time // when the testing call counts as lost
	triesFrom int       // number of the testing call
	tries     int
}

func (p *plainBreaker) become(s breakerState, now time.Time) {
	for _, c := range p.calls {
		if c.failed && s == opened && now.Sub(c.at) < breakerWindow {
			p.suspects[c.caller] = true
		}
	}
	if s == closed {
		p.suspects = map[string]bool{}
	}
	p.state, p.since, p.changes = s, now, p.changes+1
	p.calls = nil
}

func (p *plainBreaker) lets(now time.Time, who string) bool {
	if p.suspects[who] {
		now = now.Add(-breakerPause)
	}
	switch p.state {
	case opened:
		return !now.Before(p.since.Add(breakerPause))
	case halfOpen:
		return !now.Before(p.triesEnd)
	case closed:
	}
	return true
}

func (p *plainBreaker) mostFail(now time.Time) bool {
	voted, all, bad := map[string]bool{}, 0, 0
	for _, c := range p.calls {
		if now.Sub(c.at) >= breakerWindow || voted[c.caller] {
			continue
		}
		voted[c.caller] = true
		all++
		if c.failed {
			bad++
		}
	}
	return all >= breakerMinVotes && 2*bad >= all
}

// flight is a call under way, as the breaker and the model know it.
type flight struct {
	round, changes, tries int
	who                   string
}

// TestBreakerKeepsItsWord compares the breaker with the model. Calls of a few shoppers, in any order and at any distance, end, fail, are
// given up or never return.
func TestBreakerKeepsItsWord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b breaker
		p, now, sick := plainBreaker{state: closed, suspects: map[string]bool{}}, noon, rapid.IntRange(0, 10).Draw(t, "tenths that fail")
		var under []flight
		for range rapid.IntRange(0, 300).Draw(t, "moments") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 10, 200, 1000, 2500}).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "asks") || len(under) == 0 {
				who := strconv.Itoa(rapid.IntRange(0, 25).Draw(t, "who"))
				round, ok := b.allow(now, who, longestCall)
				require.Equal(t, p.lets(now, who), ok)
				if !ok {
					continue
				}
				f := flight{round: round, who: who}
				if p.state != closed {
					p.tries++
					p.state, p.triesFrom, p.triesEnd = halfOpen, p.tries, now.Add(longestCall+breakerPause)
					f.tries = p.tries
				}
				f.changes = p.changes
				under = append(under, f)
			} else {
				i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
				f := under[i]
				under = append(under[:i], under[i+1:]...)
				current := f.changes == p.changes && (p.state == closed || p.state == halfOpen && f.tries == p.triesFrom)
				if rapid.IntRange(0, 9).Draw(t, "given up") == 0 {
					b.cancel(now, f.round)
					if current && p.state == halfOpen {
						p.become(opened, now.Add(-breakerPause))
					}
				} else {
					failed := rapid.IntRange(0, 9).Draw(t, "luck") < sick
					b.record(now, f.round, f.who, failed)
					p.hear(now, f.who, failed, current)
				}
			}
			require.Equal(t, p.state, b.state())
			require.Len(t, b.voted, len(b.votes))
			if b.state() == opened {
				require.False(t, now.Before(p.since) && b.wouldAllow(now, "new"))
			}
		}
	})
}

func (p *plainBreaker) hear(now time.Time, who string, failed, current bool) {
	if failed && p.state != closed {
		p.suspects[who] = true
	}
	switch {
	case !current:
	case p.state == halfOpen && failed:
		p.become(opened, now)
	case p.state == halfOpen:
		p.become(closed, now)
	default:
		p.add(vote{now, who, failed})
		if p.mostFail(now) {
			p.become(opened, now)
		}
	}
}

// add keeps a call, unless its caller has voted in the window.
func (p *plainBreaker) add(v vote) {
	if !slices.ContainsFunc(p.calls, func(c vote) bool { return c.caller == v.caller && v.at.Sub(c.at) < breakerWindow }) {
		p.calls = append(p.calls, v)
	}
}
