package harness

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestPromises breaks each promise in the books and requires a finding.
func TestPromises(t *testing.T) {
	t.Parallel()
	s := Open(t, OneDatabase)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	s.SetStock(t, sku, 9)
	As[CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", Waiting), http.StatusCreated)
	RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_capture_fails", Waiting), http.StatusPaymentRequired, "capture_refused")
	s.RequirePromises(t)

	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	for name, c := range map[string]struct{ sql, says string }{
		"ChargedTwice": {`insert into simulator.ledger (reference, operation, amount, currency)
			select reference, operation, amount, currency from simulator.ledger where operation = 'capture'`, "captured 2 times"},
		"NotCharged":        {`delete from simulator.ledger where operation = 'capture'`, "and orders for 500"},
		"ChargedForNothing": {`update simulator.ledger set operation = 'capture' where operation = 'void'`, "and no order"},
		"MoneyHeld":         {`delete from simulator.ledger where operation = 'void'`, "still holds 500"},
		"NoOrder":           {`update orders.streams set state = jsonb_set(state::jsonb, '{status}', '"cancelled"') where kind = 'order'`, "has the orders []"},
		"AnotherTotal":      {`update orders.streams set state = jsonb_set(state::jsonb, '{total}', '499') where kind = 'order'`, "is not what its checkout sealed"},
		"Oversold":          {`update orders.streams set state = jsonb_set(state::jsonb, '{reserved}', '2') where kind = 'stock'`, "2 of 9 are reserved, for orders of 1"},
		"SagaForgotten":     {`update saga.streams set state = jsonb_set(state::jsonb, '{status}', '"running"')`, "is running"},
		"SagaNeverBegun":    {`delete from saga.streams`, "sealed and never began"},
		"CartLeft":          {`update cart.streams set state = jsonb_set(state::jsonb, '{status}', '"checking_out"') where kind = 'cart'`, "still being checked out"},
		"CartNotTold":       {`update cart.events set type = 'cart.reopened' where type = 'cart.completed'`, "completed 0 and reopened 1 times"},
		"EventLost":         {`delete from payment.events where version = 2`, "events"},
		"LogOutOfOrder":     {`update saga.events set position = -position`, "out of order"},
		"ReactionOwed":      {`insert into cart.outbox (stream, version, due_at) select stream, version, now() + interval '1 day' from cart.events limit 1`, "waits for its reaction"},
		"OrderRevived":      {`update orders.events set type = 'order.cancelled' where type = 'order.placed'`, "went on with order.confirmed"},
		"LateCharge":        {`update payment.events set type = 'payment.undo_requested' where version = 1`, "went on with payment.capture_requested"},
		"SagaGoesOn":        {`update saga.events set type = 'saga.ended' where version = 1`, "after its saga.ended"},
		"LateAuthorization": {`update simulator.ledger set operation = case operation when 'authorize' then 'capture' else 'authorize' end`, "went capture, authorize"},
		"ContactLost": {`update orders.contacts set id = gen_random_uuid() where id in (select (state ->> 'contact_id')::uuid
			from orders.streams where kind = 'order' and status = 'confirmed')`, "has lost its contact"},
		"RefundUntold": {`insert into simulator.ledger (reference, operation, amount, currency) select reference, 'refund', 100, currency
			from simulator.ledger where operation = 'capture'`, "500 − 100 captured − refunded, and orders for 500"},
		"RefundedTooMuch": {`insert into simulator.ledger (reference, operation, amount, currency) select reference, 'refund', 501, currency
			from simulator.ledger where operation = 'capture'`, "501 of 500 were refunded"},
		"CancelledUnpaid": {`update orders.streams set state = jsonb_set(jsonb_set(state::jsonb, '{status}', '"cancelled"'), '{cancellation_id}',
			to_jsonb(id)) where kind = 'order' and status = 'confirmed'`, "and no order"},
		"CancellingForEver": {`update orders.streams set state = jsonb_set(state::jsonb, '{status}', '"cancelling"')
			where kind = 'order' and status = 'confirmed'`, "is still cancelling"},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			require.NoError(t, err)
			defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
			_, err = tx.Exec(t.Context(), c.sql)
			require.NoError(t, err)
			wrong, err := Breaches(t.Context(), map[string]Querier{"cart": tx, "orders": tx, "payment": tx, "saga": tx, "simulator": tx})
			require.NoError(t, err)
			require.Contains(t, fmt.Sprint(wrong), c.says)
		})
	}
}
