package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/cli"
)

// damageToCheckouts breaks each promise that is made about a checkout.
func (s *mixedShop) damageToCheckouts() []damage {
	paid, failed, waits := s.paid.ID.String(), s.failed.ID.String(), s.waits.ID.String()
	bank := func(sql string, c harness.CheckoutView) func(t *testing.T) {
		return func(t *testing.T) { s.exec(t, sql, *c.PaymentID) }
	}
	return []damage{
		{"OrderGoneThatWasPaid", func(t *testing.T) {
			s.forges(t, "orders", s.paid.OrderID, "order.cancelled", `{"reason":"x"}`, "cancelled")
		}, []string{"captured_without_order:" + paid}, false},
		{"PaidForAndNeverConfirmed", func(t *testing.T) {
			s.forgets(t, "orders", s.paid.OrderID, "pending")
		}, []string{"captured_without_order:" + paid}, true},
		{"GivenUpAndNotRefunded", func(t *testing.T) {
			s.forges(t, "orders", s.paid.OrderID, "order.cancelled", `{"reason":"x"}`, "cancelled")
			s.forges(t, "saga", s.paid.ID, "saga.ended", `{"status":"failed"}`, "failed")
			s.forges(t, "cart", s.paid.CartID, "cart.reopened", fmt.Sprintf(`{"checkout_id":"%s"}`, paid), "open")
		}, []string{"captured_without_order:" + paid}, true},
		{"VoidThatDidNothing", bank(`delete from simulator.ledger where operation = 'void' and reference = '%s'`, s.failed),
			[]string{"cancelled_but_capturable:" + failed}, false},
		{"VoidNeverSent", func(t *testing.T) {
			s.forgets(t, "payment", *s.failed.PaymentID, "unknown")
			s.exec(t, `delete from simulator.ledger where operation = 'void' and reference = '%[1]s';
				delete from simulator.calls where operation = 'void' and reference = '%[1]s';
				update simulator.payments set status = 'authorized' where reference = '%[1]s'`, *s.failed.PaymentID)
		}, []string{"cancelled_but_capturable:" + failed}, true},
		{"AuthorizedOnceMore", bank(`insert into simulator.ledger (reference, operation, amount, currency, at)
			select reference, operation, amount, currency, at from simulator.ledger where operation = 'authorize' and reference = '%s'`, s.paid),
			[]string{"authorized_and_forgotten:" + paid}, false},
		{"AuthorizedForNobody", func(t *testing.T) {
			s.exec(t, `insert into simulator.payments (reference, token, amount, currency, status, at) values ('nobody', 'x', 7, 'GBP', 'authorized', now() - interval '1 hour');
				insert into simulator.ledger (reference, operation, amount, currency, at) values ('nobody', 'authorize', 7, 'GBP', now() - interval '1 hour')`)
		}, []string{"authorized_and_forgotten:nobody"}, false},
		{"CapturedForNobody", func(t *testing.T) {
			id := uuid.NewSHA1(uuid.Nil, []byte("nobody"))
			s.exec(t, `insert into simulator.payments (reference, token, amount, currency, status, at) values ('%[1]s', 'x', 7, 'GBP', 'captured', now() - interval '1 hour');
				insert into simulator.ledger (reference, operation, amount, currency, at) values
					('%[1]s', 'authorize', 7, 'GBP', now() - interval '1 hour'), ('%[1]s', 'capture', 7, 'GBP', now() - interval '1 hour')`, id)
		}, []string{"captured_without_order:" + uuid.NewSHA1(uuid.Nil, []byte("nobody")).String()}, false},
		{"CheckoutLost", func(t *testing.T) { s.loses(t, "saga", s.waits.ID) },
			[]string{"authorized_and_forgotten:" + waits, "cart_stuck:" + waits, "order_forgotten:" + waits}, true},
		{"OrderNotPaidFor", bank(`delete from simulator.ledger where operation = 'capture' and reference = '%s'`, s.paid),
			[]string{"order_without_charge:" + paid}, false},
		{"CapturedTwice", bank(`insert into simulator.ledger (reference, operation, amount, currency, at)
			select reference, operation, amount, currency, at from simulator.ledger where operation = 'capture' and reference = '%s'`, s.paid),
			[]string{"captured_twice:" + paid}, false},
		{"CapturedAnotherTotal", bank(`update simulator.ledger set amount = 499 where reference = '%s'`, s.paid),
			[]string{"totals_differ:" + paid}, false},
		{"OrderOfAnotherTotal", func(t *testing.T) {
			s.exec(t, `update orders.events set data = jsonb_set(data::jsonb, '{total}', '499') where stream = '%[1]s' and type = 'order.placed';
				update orders.streams set fold = 0 where id = '%[1]s'`, s.paid.OrderID)
		}, []string{"totals_differ:" + paid, "order_does_not_add_up:" + paid}, false},
		{"CheckoutOfAnotherTotal", func(t *testing.T) {
			s.exec(t, `update saga.events set data = jsonb_set(data::jsonb, '{checkout,total}', '499') where stream = '%[1]s' and type = 'saga.started';
				update saga.streams set fold = 0 where id = '%[1]s'`, s.paid.ID)
		}, []string{"totals_differ:" + paid}, false},
		{"CartOfAnotherTotal", func(t *testing.T) {
			s.exec(t, `update cart.events set data = jsonb_set(data::jsonb, '{unit_price}', '499') where stream = '%[1]s' and type = 'cart.item_added';
				update cart.streams set fold = 0 where id = '%[1]s'`, s.paid.CartID)
		}, []string{"totals_differ:" + paid}, false},
		{"PaymentInAnotherCurrency", func(t *testing.T) {
			s.exec(t, `update payment.events set data = jsonb_set(data::jsonb, '{amount,currency}', '"EUR"') where stream = '%[1]s' and type = 'payment.requested';
				update payment.streams set fold = 0 where id = '%[1]s'`, *s.paid.PaymentID)
		}, []string{"totals_differ:" + paid}, false},
		{"RefundedElsewhereAndMissed", bank(`insert into simulator.refunds_elsewhere (id, reference, kind, amount) values ('missed', '%[1]s', 'refund', 100);
			insert into simulator.ledger (reference, operation, amount, currency, at)
			select reference, 'refund', 100, currency, at from simulator.ledger where operation = 'capture' and reference = '%[1]s'`, s.paid),
			[]string{"refunds_differ:" + paid}, true},
		{"CapturedBehindOurBack", func(t *testing.T) { s.forgets(t, "payment", *s.paid.PaymentID, "authorized") },
			[]string{"books_differ:" + paid}, false},
		{"CaptureTheyKnowNothingOf", func(t *testing.T) {
			s.forges(t, "payment", *s.failed.PaymentID, "payment.captured", `{"amount":500}`, "captured")
		}, []string{"books_differ:" + failed}, false},
		{"OrderPendingForEver", func(t *testing.T) { s.forgets(t, "orders", s.free.OrderID, "pending") },
			[]string{"order_forgotten:" + s.free.ID.String()}, true},
		{"CartNotTold", func(t *testing.T) { s.forgets(t, "cart", s.paid.CartID, "checking_out") }, []string{"cart_stuck:" + paid}, true},
		{"CartNotReopened", func(t *testing.T) { s.forgets(t, "cart", s.failed.CartID, "checking_out") }, []string{"cart_stuck:" + failed}, true},
		{"CheckoutFailedAndOrderConfirmed", func(t *testing.T) {
			s.forges(t, "saga", s.paid.ID, "saga.ended", `{"status":"failed"}`, "failed")
		}, []string{"ends_differ:" + paid}, false},
		{"CartOpenThatWasBought", func(t *testing.T) {
			s.forges(t, "cart", s.paid.CartID, "cart.reopened", fmt.Sprintf(`{"checkout_id":"%s"}`, paid), "open")
		}, []string{"ends_differ:" + paid}, false},
		{"OrderLost", func(t *testing.T) { s.loses(t, "orders", s.free.OrderID) }, []string{"ends_differ:" + s.free.ID.String()}, false},
		{"CheckoutOfAnOrderLost", func(t *testing.T) { s.loses(t, "saga", s.paid.ID) }, []string{"checkout_missing:" + paid}, false},
		{"SagaForgotten", func(t *testing.T) {
			s.exec(t, `update saga.events set data = jsonb_set(data::jsonb, '{until}', '"2020-01-01T00:00:00Z"') where stream = '%[1]s' and type = 'saga.step_waits';
				update saga.streams set fold = 0, wake_at = null where id = '%[1]s'`, s.waits.ID)
		}, []string{"saga_overdue:" + waits}, true},
		{"SagaNeedsAttention", func(t *testing.T) {
			s.forges(t, "saga", s.waits.ID, "saga.attention_needed", `{"step":"payment.charge","reason":"x"}`, "needs_attention")
		}, []string{"saga_needs_attention:" + waits}, false},
		{"ReservedForNobody", func(t *testing.T) {
			s.forges(t, "orders", s.stock, "stock.reserved", fmt.Sprintf(`{"order_id":"%s","quantity":1}`, uuid.New()), "")
		}, []string{"reserved_without_order:" + s.stock.String()}, false},
		{"HeldAndNotReserved", func(t *testing.T) { s.loses(t, "orders", s.stock) }, []string{"reserved_without_order:" + s.stock.String()}, false},
		{"HeldAndNotWaiting", func(t *testing.T) {
			s.forges(t, "orders", s.holder, "holder.entered", fmt.Sprintf(`{"order_id":"%s","total":{"amount":5,"currency":"GBP"}}`, uuid.New()), "")
		}, []string{"holder_differs:" + s.holder.String()}, false},
		{"WaitingAndNotHeld", func(t *testing.T) {
			s.forges(t, "orders", s.holder, "holder.left", fmt.Sprintf(`{"order_id":"%s"}`, s.waits.OrderID), "")
		}, []string{"holder_differs:" + s.holder.String()}, false},
		{"Oversold", func(t *testing.T) {
			s.forges(t, "orders", s.stock, "stock.counted", fmt.Sprintf(`{"sku":"%s","on_hand":1}`, s.tracked), "")
		}, []string{"oversold:" + s.stock.String()}, false},
	}
}

// damageToStores breaks what every store promises of its streams.
func (s *mixedShop) damageToStores() []damage {
	open, saga := s.open.ID, s.paid.ID
	return []damage{
		{"StateChangedByHand", func(t *testing.T) {
			s.exec(t, `update cart.streams set state = jsonb_set(state::jsonb, '{lines,0,quantity}', '8') where id = '%s'`, open)
		}, []string{fmt.Sprintf("state_differs:cart:%s:3", open)}, false},
		{"StateUnreadable", func(t *testing.T) {
			s.exec(t, `update cart.streams set state = '{"lines":7}' where id = '%s'`, open)
		}, []string{fmt.Sprintf("state_differs:cart:%s:3", open)}, false},
		{"ListsSeeSomethingElse", func(t *testing.T) {
			s.exec(t, `update cart.streams set customer = 'eve' where id = '%s'`, open)
		}, []string{fmt.Sprintf("state_differs:cart:%s:3", open)}, false},
		{"EventChangedByHand", func(t *testing.T) {
			s.exec(t, `update cart.events set data = jsonb_set(data::jsonb, '{quantity}', '8') where stream = '%s' and version = 2`, open)
		}, []string{fmt.Sprintf("state_differs:cart:%s:3", open)}, false},
		{"EventLost", func(t *testing.T) {
			s.exec(t, `delete from cart.events where stream = '%[1]s' and version = 2; delete from cart.receipts where stream = '%[1]s' and version = 2`, open)
		}, []string{fmt.Sprintf("version_missing:cart:%s:2", open)}, false},
		{"LastEventLost", func(t *testing.T) {
			s.exec(t, `delete from cart.events where stream = '%[1]s' and version = 3; delete from cart.receipts where stream = '%[1]s' and version = 3`, open)
		}, []string{fmt.Sprintf("version_missing:cart:%s:3", open)}, false},
		{"AllEventsLost", func(t *testing.T) {
			s.exec(t, `delete from cart.events where stream = '%[1]s'; delete from cart.receipts where stream = '%[1]s'`, open)
		}, []string{fmt.Sprintf("version_missing:cart:%s:3", open)}, false},
		{"RowLost", func(t *testing.T) { s.exec(t, `delete from cart.streams where id = '%s'`, open) },
			[]string{fmt.Sprintf("version_missing:cart:%s:3", open)}, false},
		{"LogOutOfOrder", func(t *testing.T) { s.exec(t, `update saga.events set position = -position where stream = '%s'`, saga) },
			[]string{fmt.Sprintf("log_out_of_order:saga:%s:0", saga)}, false},
		{"AnsweredAndNotThere", func(t *testing.T) {
			s.exec(t, `insert into cart.receipts (id, stream, version, status, at) values ('%[1]s', '%[1]s', 9, 0, now() - interval '1 hour')`, open)
		}, []string{fmt.Sprintf("receipt_without_version:cart:%s:9", open)}, false},
		{"ReactionOwed", func(t *testing.T) {
			s.exec(t, `insert into cart.outbox (stream, version, due_at) select stream, version, now() + interval '1 day' from cart.events
				where stream = '%s' and type = 'cart.checked_out'`, s.paid.CartID)
		}, []string{fmt.Sprintf("message_overdue:cart:%s:3", s.paid.CartID)}, false},
	}
}

// TestVerifyCommand holds the command against what a restore leaves behind: a sequence that is behind, and a unique index that is gone.
func TestVerifyCommand(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, harness.Unsealed)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	buys := func() string {
		return harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated).OrderID.String()
	}
	one, two := buys(), buys()
	first, second := min(one, two), max(one, two)
	conn, err := pgx.Connect(t.Context(), s.URLs["orders"])
	require.NoError(t, err)
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	finds := func(findings ...string) {
		t.Helper()
		var out strings.Builder
		err := (&cli.Verify{Quiet: true}).Run(t.Context(), &out, beside{t, s})
		if len(findings) == 0 {
			require.NoError(t, err, out.String())
		} else {
			require.Equal(t, &cli.Broken{Findings: len(findings)}, err, out.String())
		}
		for _, f := range findings {
			require.Contains(t, out.String(), f)
		}
	}
	finds()

	exec(`select setval('orders.position', 1)`)
	finds("sequence_behind:order:" + uuid.Nil.String() + ":0\n  The sequence of positions of schema orders is behind")
	exec(`select setval('orders.position', max(position)) from orders.events`)
	finds()

	exec(`drop index orders.streams_key`)
	exec(fmt.Sprintf(`update orders.events set data = jsonb_set(data::jsonb, '{number}', to_jsonb((select key from orders.streams where id = '%[1]s')))
		where stream = '%[2]s' and type = 'order.placed'`, first, second))
	exec(fmt.Sprintf(`update orders.streams set fold = 0, key = (select key from orders.streams where id = '%s') where id = '%s'`, first, second))
	var number string
	require.NoError(t, conn.QueryRow(t.Context(), "select key from orders.streams where id = $1", first).Scan(&number))
	detail := fmt.Sprintf("\n  The order %q is there 2 times: [%s %s].", number, first, second)
	finds("key_given_twice:order:"+first+":0"+detail, "key_given_twice:order:"+second+":0"+detail)
}
