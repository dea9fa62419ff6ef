package payment

import (
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
		round, ok := b.allow(now, longestCall)
		require.True(t, ok, "call %d", i)
		b.record(now, round, strconv.Itoa(i), true)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	t.Run("OpensWhenHalfOfTwentyFailed", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for i := range 10 {
			b.record(noon, 0, "well "+strconv.Itoa(i), false)
		}
		b.fails(t, noon, 9)
		require.Equal(t, closed, b.state())
		b.fails(t, noon, 1) // a second vote of the first caller
		require.Equal(t, opened, b.state())
		_, ok := b.allow(noon.Add(breakerPause-1), longestCall)
		require.False(t, ok)
	})
	t.Run("WhatIsOldIsForgotten", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 19)
		b.fails(t, noon.Add(breakerWindow), 19)
		require.Equal(t, closed, b.state())
		b.record(noon.Add(2*breakerWindow-1), 0, "the twentieth", true)
		require.Equal(t, opened, b.state())
	})
	t.Run("NoOneShopperOpensIt", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for range 100 {
			b.record(noon, 0, "ada", true)
		}
		require.Equal(t, closed, b.state())
		b.fails(t, noon, 17)
		require.Equal(t, closed, b.state(), "her hundred count as two")
	})
	t.Run("OneTriesForAll", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		first, ok := b.allow(back, longestCall)
		require.True(t, ok)
		require.Equal(t, halfOpen, b.state())
		_, ok = b.allow(back, longestCall)
		require.False(t, ok, "one at a time")
		b.record(back, 0, "since before", false)
		require.Equal(t, halfOpen, b.state(), "what hung since before says nothing")
		b.record(back, first, "ada", true)
		require.Equal(t, opened, b.state())

		again := back.Add(breakerPause)
		second, ok := b.allow(again, longestCall)
		require.True(t, ok)
		b.record(again, first, "ada", false)
		require.Equal(t, halfOpen, b.state(), "said already")
		b.record(again, second, "bob", false)
		require.Equal(t, closed, b.state())
		b.fails(t, again, 19)
		require.Equal(t, closed, b.state(), "it begins anew")
	})
	t.Run("WhoForgoesMakesRoom", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		round, _ := b.allow(back, longestCall)
		b.cancel(back, round)
		_, ok := b.allow(back, longestCall)
		require.True(t, ok)
	})
	t.Run("WhoNeverComesBackIsLost", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		frozen, _ := b.allow(back, longestCall)
		lost := back.Add(longestCall + breakerPause)
		_, ok := b.allow(lost.Add(-1), longestCall)
		require.False(t, ok)
		next, ok := b.allow(lost, longestCall)
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
	calls     []sample  // since it closed
	changes   int
	triesEnd  time.Time // when the testing call counts as lost
	triesFrom int       // number of the testing call
	tries     int
}

func (p *plainBreaker) become(s breakerState, now time.Time) {
	p.state, p.since, p.changes = s, now, p.changes+1
	p.calls = nil
}

func (p *plainBreaker) lets(now time.Time) bool {
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
	each, all, bad := map[string]int{}, 0, 0
	for _, c := range p.calls {
		if now.Sub(c.at) >= breakerWindow || each[c.caller] == samplesPerCaller {
			continue
		}
		each[c.caller]++
		all++
		if c.failed {
			bad++
		}
	}
	return all >= breakerMinSamples && 2*bad >= all
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
		p, now, sick := plainBreaker{state: closed}, noon, rapid.IntRange(0, 10).Draw(t, "tenths that fail")
		var under []flight
		for range rapid.IntRange(0, 300).Draw(t, "moments") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 10, 200, 1000, 2500}).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "asks") || len(under) == 0 {
				round, ok := b.allow(now, longestCall)
				require.Equal(t, p.lets(now), ok)
				if !ok {
					continue
				}
				f := flight{round: round, who: strconv.Itoa(rapid.IntRange(0, 15).Draw(t, "who"))}
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
			require.LessOrEqual(t, len(b.perCaller), len(b.samples))
			if b.state() == opened {
				require.False(t, now.Before(p.since) && b.wouldAllow(now))
			}
		}
	})
}

func (p *plainBreaker) hear(now time.Time, who string, failed, current bool) {
	switch {
	case !current:
	case p.state == halfOpen && failed:
		p.become(opened, now)
	case p.state == halfOpen:
		p.become(closed, now)
	default:
		p.add(sample{now, who, failed})
		if p.mostFail(now) {
			p.become(opened, now)
		}
	}
}

// add keeps a call, unless its shopper has used up the votes of the window.
func (p *plainBreaker) add(v sample) {
	had := 0
	for _, c := range p.calls {
		if c.caller == v.caller && v.at.Sub(c.at) < breakerWindow {
			had++
		}
	}
	if had < samplesPerCaller {
		p.calls = append(p.calls, v)
	}
}
