package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// LimitsView shows the limits of this process, and whom they refuse.
type LimitsView struct {
	Classes     []ClassLimitsView    `json:"classes"` // those that have a limit
	Refused     []RefusedView        `json:"refused"` // in the last minute, the most refused first, at most 20
	Connections ConnectionLimitsView `json:"connections"`
	Streams     StreamLimitsView     `json:"streams"`
	Guards      []GuardView          `json:"guards"` // those of stock, money and writes that refused something
}

// ClassLimitsView shows the rate limits of a class of requests.
type ClassLimitsView struct {
	Class   Class     `json:"class" enums:"sessions,reads,searches,edits,checkouts,webhooks,bad_tokens,metrics,operators"`
	Subject *RateView `json:"subject" extensions:"x-nullable"` // for each subject; null: no limit
	Address *RateView `json:"address" extensions:"x-nullable"` // for each address; null: no limit
}

// RateView shows a rate limit.
type RateView struct {
	PerSecond float64 `json:"per_second" example:"20"` // on average
	Burst     int     `json:"burst" example:"60"`      // at once
	Refused   int64   `json:"refused"`                 // since the start of the process
}

// RefusedView shows a subject or an address that is refused.
type RefusedView struct {
	Class         Class     `json:"class" enums:"sessions,reads,searches,edits,checkouts,webhooks,bad_tokens,metrics,operators"`
	By            string    `json:"by" enums:"subject,address"`
	Key           string    `json:"key" example:"203.0.113.7"` // the subject or the address
	Refused       int       `json:"refused"`                   // since it last went a minute without a refusal
	LastRefusedAt time.Time `json:"last_refused_at"`
}

// ConnectionLimitsView shows the connections. A limit of 0 is none.
type ConnectionLimitsView struct {
	Open       int   `json:"open"` // 0 without limits
	Limit      int   `json:"limit"`
	PerAddress int   `json:"per_address"`
	Refused    int64 `json:"refused"`
}

// StreamLimitsView shows the event streams. A limit of 0 is none.
type StreamLimitsView struct {
	Open        int   `json:"open"`
	Limit       int   `json:"limit"`
	PerAddress  int   `json:"per_address"`
	PerSubject  int   `json:"per_subject"`
	PerCheckout int   `json:"per_checkout"` // of one subject
	Refused     int64 `json:"refused"`
}

// GuardView shows what a guard refused.
type GuardView struct {
	What    string `json:"what" example:"declines"` // units or attempts of a cart, waiting checkouts, declines, or commands-<lane>
	By      string `json:"by" example:"address"`    // whose limit it was
	Refused int64  `json:"refused"`                 // since the start of the process
}

// guards returns what the guards refused, the most first.
func (s *Server) guards() []GuardView {
	all := []GuardView{}
	if s.cfg.EachLimited != nil {
		s.cfg.EachLimited(func(what, by string, refused int64) {
			if what != "streams" && what != "connections" && !slices.Contains(Classes, Class(what)) {
				all = append(all, GuardView{what, by, refused})
			}
		})
	}
	slices.SortFunc(all, func(a, b GuardView) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.What+a.By, b.What+b.By))
	})
	return all
}

// showLimits shows the limits.
//
//	@Summary		Read the limits and whom they refuse
//	@Description	Of the process that answers: each replica counts by itself. For operators: scope `admin`.
//	@ID				readLimits
//	@Tags			operators
//	@Security		BearerAuth[admin]
//	@Success		200		{object}	LimitsView
//	@Failure		401,403	{object}	Problem
//	@Router			/v1/admin/limits [get]
func (s *Server) showLimits(c echo.Context) error {
	now, of := time.Now(), s.cfg.Limits
	view := LimitsView{
		Classes: []ClassLimitsView{}, Refused: []RefusedView{}, Guards: s.guards(),
		Connections: ConnectionLimitsView{
			Open: s.OpenConnections(), Limit: of.Connections.Most, PerAddress: of.Connections.PerAddress, Refused: s.refused.connections.Load(),
		},
		Streams: StreamLimitsView{
			Open: s.OpenStreams(), Limit: of.Streams.Most, PerAddress: of.Streams.PerAddress, PerSubject: of.Streams.PerSubject,
			PerCheckout: of.Streams.PerObject, Refused: s.refused.streams.Load(),
		},
	}
	for _, class := range Classes {
		if l := s.limiters[class]; l != nil {
			view.Classes = append(view.Classes, ClassLimitsView{class, l.subject.view(), l.address.view()})
			view.Refused = append(view.Refused, l.subject.recent(class, "subject", now)...)
			view.Refused = append(view.Refused, l.address.recent(class, "address", now)...)
		}
	}
	slices.SortFunc(view.Refused, func(a, b RefusedView) int { return cmp.Compare(b.Refused, a.Refused) })
	view.Refused = view.Refused[:min(len(view.Refused), mostRefused)]
	return c.JSON(http.StatusOK, view)
}

const (
	mostRefused   = 20
	recentRefusal = time.Minute
)

func (b *buckets) view() *RateView {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return &RateView{PerSecond: b.rate.PerSecond, Burst: b.rate.Burst, Refused: b.refused}
}

// recent returns the keys that were refused in the last minute.
func (b *buckets) recent(class Class, by string, now time.Time) (all []RefusedView) {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range b.by.Keys() {
		if one, _ := b.by.Peek(key); now.Sub(one.last) < recentRefusal {
			all = append(all, RefusedView{Class: class, By: by, Key: key, Refused: one.refused, LastRefusedAt: Time(one.last)})
		}
	}
	return all
}
