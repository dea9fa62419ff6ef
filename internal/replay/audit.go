package replay

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"sync"

	"shopping-cart/client"
	"shopping-cart/platform/money"
)

// found is an order of this run, read back from the server, with the charge in the provider's ledger.
type found struct {
	order   string // its id
	status  string
	owed    int64 // pence: total − refunded if confirmed, else 0
	charged int64 // pence: captured − refunded
}

// audit reads back every order of the run's guests, with its payment in the ledger. It lists the orders of the guests instead of
// the orders of the checkouts, so that it also finds a surplus order.
func (s *shop) audit(ctx context.Context) ([]found, error) {
	guests := slices.Collect(maps.Values(s.guests))
	tick, done := s.progress.Show("guests read back", len(guests))
	defer done()
	var mu sync.Mutex
	var all []found
	err := client.Parallel(ctx, s.Parallel, len(guests), func(ctx context.Context, i int) error {
		theirs, err := s.auditGuest(ctx, guests[i])
		mu.Lock()
		defer mu.Unlock()
		all = append(all, theirs...)
		tick()
		return err
	})
	return all, err
}

func (s *shop) auditGuest(ctx context.Context, g *guest) ([]found, error) {
	type order struct {
		ID        string
		PaymentID string `json:"payment_id"`
		Status    string
		Total     money.Amount
		Refunded  money.Amount
	}
	if g.token == "" { // was refused a session, so has no orders
		return nil, nil
	}
	orders, err := client.All[order](ctx, s.client, "/v1/orders", url.Values{}, g.token)
	if err != nil {
		return nil, err
	}
	var theirs []found
	for _, o := range orders {
		charged, err := s.netCharge(ctx, o.PaymentID)
		if err != nil {
			return nil, err
		}
		f := found{order: o.ID, status: o.Status, charged: charged}
		if o.Status == "confirmed" || o.Status == "fulfilled" {
			f.owed = o.Total.Amount - o.Refunded.Amount
		}
		theirs = append(theirs, f)
	}
	return theirs, nil
}

// netCharge returns captured − refunded in the provider's ledger, in pence. The engine chose the reference there: the payment's id.
func (s *shop) netCharge(ctx context.Context, payment string) (sum int64, err error) {
	type entry struct {
		Operation string
		Amount    int64
	}
	entries, err := client.All[entry](ctx, s.client, "/simulator/ledger", url.Values{"reference": {payment}}, s.operator)
	for _, e := range entries {
		switch e.Operation {
		case "capture":
			sum += e.Amount
		case "refund":
			sum -= e.Amount
		}
	}
	return sum, err
}
