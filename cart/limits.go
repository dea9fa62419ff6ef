package cart

import (
	"errors"
	"slices"
	"time"
)

// Limits bounds what a cart may hold, and how often its payment may fail. 0 is no limit.
type Limits struct {
	Line     int64         // units of one line; MaxQuantity always holds
	Order    int64         // units of all lines
	Guest    int64         // units of all lines of a guest's order
	Failures int           // payments that may fail before each further checkout must wait
	Pause    time.Duration // from a failed payment to the next checkout, after Failures of them
}

// check refuses events that put too many units into a cart, and the checkout of a cart that holds too many or failed too often.
func (l Limits) check(s State, guest bool, now time.Time, events ...Event) error {
	for _, e := range events {
		next := evolve(s, e)
		if _, seals := e.(CheckedOut); seals {
			if err := l.checkFailures(s, now); err != nil {
				return err
			}
		} else if next.units() <= s.units() {
			continue
		}
		if err := l.checkUnits(next, guest); err != nil {
			return err
		}
	}
	return nil
}

func (l Limits) checkUnits(s State, guest bool) error {
	i := slices.IndexFunc(s.Lines, func(line Line) bool { return l.Line > 0 && line.Quantity > l.Line })
	if i >= 0 {
		sku, n := s.Lines[i].SKU, s.Lines[i].Quantity
		return errTooManyUnits.Detailf("A line holds at most %d units, and '%s' would have %d.", l.Line, sku, n).With("sku", sku).With("limit", l.Line)
	}
	most := l.Order
	if guest && l.Guest > 0 && (most == 0 || l.Guest < most) {
		most = l.Guest
	}
	if n := s.units(); most > 0 && n > most {
		return errTooManyUnits.Detailf("An order holds at most %d units, and this cart would have %d.", most, n).With("limit", most)
	}
	return nil
}

// checkFailures refuses a checkout too soon after the last failed payment of a cart with many.
func (l Limits) checkFailures(s State, now time.Time) error {
	wait := s.FailedAt.Add(l.Pause).Sub(now)
	if l.Failures == 0 || s.Failures < l.Failures || wait <= 0 {
		return nil
	}
	return errTooManyAttempts.After(wait)
}

// countLimited counts a refusal because of a limit.
func (m *Module) countLimited(err error) {
	switch {
	case errors.Is(err, errTooManyUnits):
		m.Limited("units", "cart")
	case errors.Is(err, errTooManyAttempts):
		m.Limited("attempts", "cart")
	}
}

// units returns the sum of the quantities of all lines.
func (s State) units() (sum int64) {
	for _, l := range s.Lines {
		sum += l.Quantity
	}
	return sum
}
