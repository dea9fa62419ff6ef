package crash

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/platform/config"
)

// providersOwn gives the simulator a database of its own, as a provider has one: it is not restored with the shop.
func providersOwn(t testing.TB, c *config.Config) { c.SimulatorDatabaseURL = pgtest.New(t) }

// copies returns a function that copies a database that nobody uses at the moment, as a backup does. The copies are dropped at the end
// of the test, after everything that is begun later.
func copies(t *testing.T) (backup func(database string) (url string)) {
	t.Helper()
	var drop []func()
	t.Cleanup(func() {
		for _, one := range drop {
			one()
		}
	})
	return func(database string) string {
		u, err := url.Parse(pgtest.Direct(t, database))
		require.NoError(t, err)
		from, to := strings.TrimPrefix(u.Path, "/"), "restored_"+strings.ReplaceAll(uuid.NewString(), "-", "")
		u.Path = "/postgres"
		server, err := pgx.Connect(t.Context(), u.String())
		require.NoError(t, err)
		_, err = server.Exec(t.Context(), "create database "+to+" template "+pgx.Identifier{from}.Sanitize())
		require.NoError(t, err)
		drop = append(drop, func() {
			_, err := server.Exec(context.Background(), "drop database "+to+" with (force)")
			require.NoError(t, err)
			require.NoError(t, server.Close(context.Background()))
		})
		u.Path = "/" + to
		return u.String()
	}
}

// TestRestoredToAnOlderMoment walks the guide: orders are paid, the shop's database goes back to before them, the provider does not.
func TestRestoredToAnOlderMoment(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "a database is copied while nobody uses it")
	backupOf := copies(t)
	s := harness.Open(t, harness.OneDatabase, providersOwn)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	var carts []harness.CartView
	for range 4 {
		carts = append(carts, ada.Fill(t, sku))
	}
	back, lost, refunded, never := carts[0], carts[1], carts[2], carts[3]
	again := func(c harness.CartView) harness.Answer {
		return ada.CheckOut(t, c, "sim_ok", harness.Waiting, "Idempotency-Key", "buy-"+c.ID.String())
	}

	s.Stop(t)
	backup := backupOf(s.Settings.DatabaseURL)
	s.Start(t)
	paid := map[uuid.UUID]harness.CheckoutView{}
	for _, c := range []harness.CartView{back, lost, refunded} {
		paid[c.ID] = harness.As[harness.CheckoutView](t, again(c), http.StatusCreated)
	}
	harness.As[harness.RefundView](t, s.Refund(t, paid[refunded.ID].OrderID, 0, "Prefer", harness.Waiting), http.StatusCreated)
	s.Stop(t)
	s.Settings.DatabaseURL = backup
	s.URLs = s.Settings.DatabaseURLs("")
	s.Start(t)

	t.Run("TheSameKeyIsNotChargedTwice", func(t *testing.T) {
		require.Equal(t, paid[back.ID].ID, harness.As[harness.CheckoutView](t, again(back), http.StatusCreated).ID)
		require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *paid[back.ID].PaymentID))
		require.Equal(t, order.StatusConfirmed, s.Order(t, paid[back.ID].OrderID).Status)
	})
	t.Run("WhatWasRefundedIsNotPaid", func(t *testing.T) {
		p := harness.As[harness.Problem](t, again(refunded), http.StatusPaymentRequired)
		require.Equal(t, "payment_refunded", p.Code)
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *paid[refunded.ID].PaymentID))
		require.Equal(t, order.StatusCancelled, s.Order(t, paid[refunded.ID].OrderID).Status)
		anew := harness.Get[harness.CartView](t, s, "/v1/carts/"+refunded.ID.String(), ada.Token)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, anew, "sim_ok", harness.Waiting), http.StatusCreated)
	})
	t.Run("WhatIsLostIsRefundedByChoiceAlone", func(t *testing.T) {
		s.Exec(t, "simulator", "update simulator.ledger set at = clock_timestamp()")
		young := harness.As[reconcile.Reconciliation](t, s.Send(t, http.MethodGet, "/v1/admin/reconciliation", s.Admin, nil), http.StatusOK)
		require.Empty(t, young.Data, "it may be under way")
		require.GreaterOrEqual(t, young.Checked.LeftOut, 3, "and that is said: checkouts, and the payment that is lost")
		s.Exec(t, "simulator", "update simulator.ledger set at = at - interval '1 hour'")
		id := "captured_without_order:" + paid[lost.ID].PaymentID.String()
		found := func(method, query string) (healed []*bool) {
			for _, f := range harness.As[reconcile.Reconciliation](t, s.Send(t, method, "/v1/admin/reconciliation"+query, s.Admin, nil), http.StatusOK).Data {
				require.Equal(t, id, f.ID)
				require.Contains(t, f.Remedy, "`shopping-cart verify --heal=refund-lost` refunds what was captured.")
				if f.Healed != nil {
					require.Equal(t, "refunded 19.99 GBP", f.Done)
				}
				healed = append(healed, f.Healed)
			}
			return healed
		}
		require.Equal(t, []*bool{nil}, found(http.MethodGet, ""))
		require.Equal(t, []*bool{nil}, found(http.MethodPost, ""), "plain healing leaves it to a person")
		yes := true
		require.Equal(t, []*bool{&yes}, found(http.MethodPost, "?refund_lost=true"))
		require.Empty(t, found(http.MethodPost, "?refund_lost=true"), "once")
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *paid[lost.ID].PaymentID))
		harness.RequireProblem(t, s.Send(t, http.MethodPost, "/v1/admin/reconciliation?refund_lost=perhaps", s.Admin, nil), http.StatusUnprocessableEntity, "validation_failed")
	})
	t.Run("WhoComesBackForItIsNotSoldForNothing", func(t *testing.T) {
		require.Equal(t, "payment_refunded", harness.As[harness.Problem](t, again(lost), http.StatusPaymentRequired).Code)
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *paid[lost.ID].PaymentID))
		anew := harness.Get[harness.CartView](t, s, "/v1/carts/"+lost.ID.String(), ada.Token)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, anew, "sim_ok", harness.Waiting), http.StatusCreated)
	})
	harness.As[harness.CheckoutView](t, again(never), http.StatusCreated)
}
