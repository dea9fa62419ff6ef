package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
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
	s := open(t, oneDatabase, providersOwn)
	ada, sku := s.shopper(t), s.sells(t, 1999)
	var carts []cartView
	for range 4 {
		carts = append(carts, ada.fills(t, sku))
	}
	back, lost, refunded, never := carts[0], carts[1], carts[2], carts[3]
	again := func(c cartView) answer {
		return ada.checksOut(t, c, "sim_ok", waiting, "Idempotency-Key", "buy-"+c.ID.String())
	}

	s.stop(t)
	backup := backupOf(s.settings.DatabaseURL)
	s.start(t)
	paid := map[uuid.UUID]checkoutView{}
	for _, c := range []cartView{back, lost, refunded} {
		paid[c.ID] = as[checkoutView](t, again(c), http.StatusCreated)
	}
	as[refundView](t, s.refunds(t, paid[refunded.ID].OrderID, 0, "Prefer", waiting), http.StatusCreated)
	s.stop(t)
	s.settings.DatabaseURL = backup
	s.urls = s.settings.DatabaseURLs("")
	s.start(t)

	t.Run("TheSameKeyIsNotChargedTwice", func(t *testing.T) {
		require.Equal(t, paid[back.ID].ID, as[checkoutView](t, again(back), http.StatusCreated).ID)
		require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *paid[back.ID].PaymentID))
		require.Equal(t, order.StatusConfirmed, s.order(t, paid[back.ID].OrderID).Status)
	})
	t.Run("WhatWasRefundedIsNotPaid", func(t *testing.T) {
		p := as[problem](t, again(refunded), http.StatusPaymentRequired)
		require.Equal(t, "payment_refunded", p.Code)
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *paid[refunded.ID].PaymentID))
		require.Equal(t, order.StatusCancelled, s.order(t, paid[refunded.ID].OrderID).Status)
		anew := get[cartView](t, s, "/v1/carts/"+refunded.ID.String(), ada.token)
		as[checkoutView](t, ada.checksOut(t, anew, "sim_ok", waiting), http.StatusCreated)
	})
	t.Run("WhatIsLostIsRefundedByChoiceAlone", func(t *testing.T) {
		s.exec(t, "simulator", "update simulator.ledger set at = clock_timestamp()")
		young := as[saga.Reconciliation](t, s.send(t, http.MethodGet, "/v1/admin/reconciliation", s.admin, nil), http.StatusOK)
		require.Empty(t, young.Data, "it may be under way")
		require.GreaterOrEqual(t, young.Checked.LeftOut, 3, "and that is said: checkouts, and the payment that is lost")
		s.exec(t, "simulator", "update simulator.ledger set at = at - interval '1 hour'")
		id := "captured_without_order:" + paid[lost.ID].PaymentID.String()
		found := func(method, query string) (healed []*bool) {
			for _, f := range as[saga.Reconciliation](t, s.send(t, method, "/v1/admin/reconciliation"+query, s.admin, nil), http.StatusOK).Data {
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
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *paid[lost.ID].PaymentID))
		refuses(t, s.send(t, http.MethodPost, "/v1/admin/reconciliation?refund_lost=perhaps", s.admin, nil), http.StatusUnprocessableEntity, "validation_failed")
	})
	t.Run("WhoComesBackForItIsNotSoldForNothing", func(t *testing.T) {
		require.Equal(t, "payment_refunded", as[problem](t, again(lost), http.StatusPaymentRequired).Code)
		require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *paid[lost.ID].PaymentID))
		anew := get[cartView](t, s, "/v1/carts/"+lost.ID.String(), ada.token)
		as[checkoutView](t, ada.checksOut(t, anew, "sim_ok", waiting), http.StatusCreated)
	})
	as[checkoutView](t, again(never), http.StatusCreated)
}
