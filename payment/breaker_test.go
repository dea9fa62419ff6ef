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
		round, ok := b.ask(now, longestCall)
		require.True(t, ok, "call %d", i)
		b.told(now, round, strconv.Itoa(i), true)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	t.Run("OpensWhenHalfOfTwentyFailed", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for i := range 10 {
			b.told(noon, 0, "well "+strconv.Itoa(i), false)
		}
		b.fails(t, noon, 9)
		require.Equal(t, closed, b.standing())
		b.fails(t, noon, 1) // a second vote of the first caller
		require.Equal(t, opened, b.standing())
		_, ok := b.ask(noon.Add(breakerPause-1), longestCall)
		require.False(t, ok)
	})
	t.Run("WhatIsOldIsForgotten", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 19)
		b.fails(t, noon.Add(breakerWindow), 19)
		require.Equal(t, closed, b.standing())
		b.told(noon.Add(2*breakerWindow-1), 0, "the twentieth", true)
		require.Equal(t, opened, b.standing())
	})
	t.Run("NoOneShopperOpensIt", func(t *testing.T) {
		t.Parallel()
		var b breaker
		for range 100 {
			b.told(noon, 0, "ada", true)
		}
		require.Equal(t, closed, b.standing())
		b.fails(t, noon, 17)
		require.Equal(t, closed, b.standing(), "her hundred count as two")
	})
	t.Run("OneTriesForAll", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		first, ok := b.ask(back, longestCall)
		require.True(t, ok)
		require.Equal(t, halfOpen, b.standing())
		_, ok = b.ask(back, longestCall)
		require.False(t, ok, "one at a time")
		b.told(back, 0, "since before", false)
		require.Equal(t, halfOpen, b.standing(), "what hung since before says nothing")
		b.told(back, first, "ada", true)
		require.Equal(t, opened, b.standing())

		again := back.Add(breakerPause)
		second, ok := b.ask(again, longestCall)
		require.True(t, ok)
		b.told(again, first, "ada", false)
		require.Equal(t, halfOpen, b.standing(), "said already")
		b.told(again, second, "bob", false)
		require.Equal(t, closed, b.standing())
		b.fails(t, again, 19)
		require.Equal(t, closed, b.standing(), "it begins anew")
	})
	t.Run("WhoForgoesMakesRoom", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		round, _ := b.ask(back, longestCall)
		b.forgo(back, round)
		_, ok := b.ask(back, longestCall)
		require.True(t, ok)
	})
	t.Run("WhoNeverComesBackIsLost", func(t *testing.T) {
		t.Parallel()
		var b breaker
		b.fails(t, noon, 20)
		back := noon.Add(breakerPause)
		frozen, _ := b.ask(back, longestCall)
		lost := back.Add(longestCall + breakerPause)
		_, ok := b.ask(lost.Add(-1), longestCall)
		require.False(t, ok)
		next, ok := b.ask(lost, longestCall)
		require.True(t, ok)
		b.told(lost, frozen, "ada", true)
		require.Equal(t, halfOpen, b.standing(), "it thawed too late")
		b.told(lost, next, "bob", false)
		require.Equal(t, closed, b.standing())
	})
}

// plainBreaker is a simple model of the breaker: it keeps each call and counts all of them each time.
type plainBreaker struct {
	state     standing
	since     time.Time // start of the state
	calls     []vote    // since it closed
	changes   int
	triesEnd  time.Time // when the testing call counts as lost
	triesFrom int       // number of the testing call
	tries     int
}

func (p *plainBreaker) become(s standing, now time.Time) {
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
		if now.Sub(c.at) >= breakerWindow || each[c.who] == votesEach {
			continue
		}
		each[c.who]++
		all++
		if c.failed {
			bad++
		}
	}
	return all >= breakerCalls && 2*bad >= all
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
				round, ok := b.ask(now, longestCall)
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
					b.forgo(now, f.round)
					if current && p.state == halfOpen {
						p.become(opened, now.Add(-breakerPause))
					}
				} else {
					failed := rapid.IntRange(0, 9).Draw(t, "luck") < sick
					b.told(now, f.round, f.who, failed)
					p.hear(now, f.who, failed, current)
				}
			}
			require.Equal(t, p.state, b.standing())
			require.LessOrEqual(t, len(b.votes), len(b.recent))
			if b.standing() == opened {
				require.False(t, now.Before(p.since) && b.mayAsk(now))
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
		p.add(vote{now, who, failed})
		if p.mostFail(now) {
			p.become(opened, now)
		}
	}
}

// add keeps a call, unless its shopper has used up the votes of the window.
func (p *plainBreaker) add(v vote) {
	had := 0
	for _, c := range p.calls {
		if c.who == v.who && v.at.Sub(c.at) < breakerWindow {
			had++
		}
	}
	if had < votesEach {
		p.calls = append(p.calls, v)
	}
}
