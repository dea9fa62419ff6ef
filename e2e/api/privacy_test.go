package api

import (
	"context"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/privacy"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestReasonsLieBesideEvents: no event and no state holds a text that a person wrote, and every answer shows it.
func TestReasonsLieBesideEvents(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada := s.Shopper(t)
			c, sku := buys(t, ada, 1250, "sim_ok")
			reason := map[string]any{"reason": "Ada Byron asked by telephone."}
			post := func(path, token string, body map[string]any) harness.Answer {
				return s.Send(t, http.MethodPost, path, token, body, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
			}
			order := "/v1/orders/" + c.OrderID.String()
			refund := harness.As[harness.RefundView](t, post(order+"/refunds", s.Admin, map[string]any{"amount": harness.GBP(250), "reason": reason["reason"]}), http.StatusCreated)
			require.Equal(t, reason["reason"], refund.Reason)
			require.Equal(t, http.StatusAccepted, post(order+"/cancel", ada.Token, reason).StatusCode)
			harness.Until(t, "the order is cancelled", func() bool { return s.Order(t, c.OrderID).Status == "cancelled" })
			require.Equal(t, http.StatusOK, post("/v1/stock/"+harness.Escape(sku)+"/adjustments", s.Admin, map[string]any{"delta": 1, "reason": reason["reason"]}).StatusCode)

			for _, schema := range migrations.StoreSchemas {
				conn, err := pgx.Connect(t.Context(), s.URLs[schema])
				require.NoError(t, err)
				var held int
				require.NoError(t, conn.QueryRow(t.Context(), strings.ReplaceAll(`select (select count(*) from @.events where data::text ~ 'Ada Byron')
					+ (select count(*) from @.streams where state::text ~ 'Ada Byron')`, "@", schema)).Scan(&held))
				require.NoError(t, conn.Close(t.Context()))
				require.Zero(t, held, schema)
			}

			for _, r := range s.Payment(t, *c.PaymentID).Refunds {
				require.Equal(t, reason["reason"], r.Reason)
			}
			require.Len(t, s.Payment(t, *c.PaymentID).Refunds, 2)
			for path, times := range map[string]int{
				order + "/timeline?limit=100":                       7, // the order twice, the payment three times, two sagas
				"/v1/admin/sagas/" + refund.ID.String():             1,
				"/v1/admin/streams/order/" + c.OrderID.String():     4, // with the states
				"/v1/admin/events?module=order&limit=100":           3, // with the adjustment
				"/v1/admin/streams/payment/" + c.PaymentID.String(): 10,
			} {
				shown := s.Send(t, http.MethodGet, path, s.Admin, nil)
				require.Equal(t, http.StatusOK, shown.StatusCode, path)
				require.Equal(t, times, strings.Count(string(shown.Text), `"reason":"Ada Byron asked by telephone."`), path)
				require.NotContains(t, string(shown.Text), "note:", path)
			}
		})
	}
}

// dumpOf returns pg_dump's output for all databases of a site in lower case.
func dumpOf(t *testing.T, s *harness.Site) string {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil { // it stands beside the server's programs, which Debian does not put on the PATH
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		require.NoError(t, err)
		require.NotEmpty(t, found, "pg_dump is part of PostgreSQL")
		program = slices.Max(found)
	}
	var all strings.Builder
	for _, url := range slices.Compact(slices.Sorted(maps.Values(s.URLs))) {
		dump, err := exec.CommandContext(t.Context(), program, "--dbname", url).Output()
		require.NoError(t, err)
		all.Write(dump)
	}
	return strings.ToLower(all.String())
}

// holds returns those of the texts that a dump holds, also as bytes.
func holds(dump string, texts []string) (held []string) {
	for _, text := range texts {
		if text = strings.ToLower(text); strings.Contains(dump, text) || strings.Contains(dump, hex.EncodeToString([]byte(text))) {
			held = append(held, text)
		}
	}
	return held
}

// TestErasureLeavesNothing: a dump of the databases holds all that a person and the operators wrote, and after the erasure none of it.
func TestErasureLeavesNothing(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "pg_dump sets parameters of its session")
	for name, setup := range setups {
		for by, value := range map[string]func(harness.Shopper) string{
			"email":       func(harness.Shopper) string { return "ADA.Byron@Example.com" },
			"customer_id": func(ada harness.Shopper) string { return ada.ID.String() },
		} {
			t.Run(name+"/"+by, func(t *testing.T) {
				t.Parallel()
				s := harness.Open(t, setup)
				ada, eve := s.Shopper(t), s.Shopper(t)
				texts := writesOf(t, s, ada, "Ada.Byron@example.com", "Ada Byron", "12 Dorset Street")
				others := []string{"Office@example.com", "Charles Babbage", "1 Devonshire Street"} // she orders for somebody else
				buysAs(t, ada, s.AddProduct(t, 500), "sim_ok", http.StatusCreated, others...)
				kept := writesOf(t, s, eve, "Eve.Moneypenny@example.com", "Eve Moneypenny", "30 Wellington Square")
				people := 1
				if by == "email" {
					kept = append(kept, others...)
				} else {
					people, texts = 2, append(texts, others...)
				}
				before := dumpOf(t, s)
				require.Len(t, holds(before, append(texts, kept...)), len(texts)+len(kept), "the test can find them")

				erase := func() harness.Answer {
					return s.Send(t, http.MethodPost, "/v1/admin/erasures", s.Admin, map[string]any{by: value(ada), "reason": "Request 4711."})
				}
				done := harness.As[privacy.ErasureView](t, erase(), http.StatusOK)
				require.Equal(t, people, done.Contacts)
				require.Equal(t, 1+people, done.Orders)
				after := dumpOf(t, s)
				require.Empty(t, holds(after, texts))
				require.Len(t, holds(after, kept), len(kept), "another person keeps everything")

				require.EqualValues(t, 10, done.Notes, "five reasons, each also in the audit")
				again := harness.As[privacy.ErasureView](t, erase(), http.StatusOK)
				require.Zero(t, again.Contacts)
				require.Zero(t, again.Notes)
				named := 0
				for _, o := range harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders?include=unconfirmed", ada.Token).Data {
					if o.Email != nil {
						named++
					}
				}
				require.Equal(t, 2-people, named)
			})
		}
	}
}

// writesOf lets a shopper buy twice and operators write reasons, all of which name the shopper. It returns the texts.
func writesOf(t *testing.T, s *harness.Site, shopper harness.Shopper, email, name, street string) (texts []string) {
	t.Helper()
	texts = []string{email, name, street}
	text := func(what string) map[string]any {
		texts = append(texts, what+" for "+name)
		return map[string]any{"reason": what + " for " + name}
	}
	post := func(path, token string, body map[string]any, status int) {
		a := s.Send(t, http.MethodPost, path, token, body, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
		require.Equal(t, status, a.StatusCode, string(a.Text))
	}
	sku := s.AddProduct(t, 1250)
	s.SetStock(t, sku, 9)
	sold := buysAs(t, shopper, sku, "sim_ok", http.StatusCreated, texts...)
	asked := buysAs(t, shopper, sku, "sim_requires_action", http.StatusAccepted, texts...)
	refund := text("Refund")
	refund["amount"] = harness.GBP(250)
	post("/v1/orders/"+sold.OrderID.String()+"/refunds", s.Admin, refund, http.StatusCreated)
	post("/v1/orders/"+sold.OrderID.String()+"/cancel", s.Admin, text("Cancellation"), http.StatusAccepted)
	post("/v1/admin/sagas/"+asked.ID.String()+"/retry", s.Admin, text("Retry"), http.StatusAccepted)
	post("/v1/admin/sagas/"+asked.ID.String()+"/compensate", s.Admin, text("Compensation"), http.StatusAccepted)
	adjusted := map[string]any{"delta": 1, "reason": "Found; ask " + strings.ToUpper(email)}
	post("/v1/stock/"+harness.Escape(sku)+"/adjustments", s.Admin, adjusted, http.StatusOK)
	harness.Until(t, "the order is cancelled", func() bool { return s.Order(t, sold.OrderID).Status == "cancelled" })
	shopper.AwaitStatus(t, asked.ID, saga.Cancelled)
	return texts
}

// buysAs checks out one unit of a SKU with an e-mail address, a name and a street.
func buysAs(t *testing.T, shopper harness.Shopper, sku, method string, status int, contact ...string) harness.CheckoutView {
	t.Helper()
	c := shopper.Fill(t, sku)
	return harness.As[harness.CheckoutView](t, shopper.Send(t, http.MethodPost, harness.CheckoutPath(c), shopper.Token, map[string]any{
		"payment_method": method, "email": contact[0], "shipping_address": map[string]any{"name": contact[1], "street": contact[2]},
	}, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting, "If-Match", harness.Tag(c.Version)), status)
}

// TestRefusedCheckoutWritesNothing: no row, no receipt and no page of the table of contacts.
func TestRefusedCheckoutWritesNothing(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1250)
	c := ada.Fill(t, sku)
	db, err := pgx.Connect(t.Context(), s.URLs["orders"])
	require.NoError(t, err)
	defer db.Close(context.Background())
	held := func() (sums [7]int64) {
		require.NoError(t, db.QueryRow(t.Context(), `select (select count(*) from orders.contacts), (select count(*) from orders.receipts),
			(select count(*) from cart.receipts), (select count(*) from cart.events), (select count(*) from orders.events), (select count(*) from saga.events),
			pg_total_relation_size('orders.contacts')`).Scan(&sums[0], &sums[1], &sums[2], &sums[3], &sums[4], &sums[5], &sums[6]))
		return sums
	}
	asks := func(version int64, status int, code string) {
		body := map[string]any{"payment_method": "sim_ok", "email": "ada@example.com", "shipping_address": map[string]any{"street": strings.Repeat("x", 4000)}}
		a := s.Send(t, http.MethodPost, harness.CheckoutPath(c), ada.Token, body, "Idempotency-Key", uuid.NewString(), "If-Match", harness.Tag(version))
		harness.RequireProblem(t, a, status, code)
	}
	before := held()
	for range 20 {
		asks(c.Version+1, http.StatusPreconditionFailed, "version_mismatch")
	}
	s.SetPrice(t, sku, 1300)
	before[3] = held()[3] // the new price
	before[2] = held()[2]
	for range 20 {
		asks(c.Version, http.StatusConflict, "price_changed")
	}
	require.Equal(t, before, held())
}

// TestContactsOfFailedCheckoutsGo: a checkout that becomes no order leaves no contact, whether its order was placed or not.
func TestContactsOfFailedCheckoutsGo(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada, sku := s.Shopper(t), s.AddProduct(t, 1250)
			db, err := pgx.Connect(t.Context(), s.URLs["orders"])
			require.NoError(t, err)
			defer db.Close(context.Background())
			fails := func(method string, status int, code string) {
				c := ada.Fill(t, sku)
				harness.RequireProblem(t, ada.CheckOut(t, c, method, harness.Waiting), status, code)
				harness.Until(t, "the contact is erased", func() bool {
					var contacts int
					require.NoError(t, db.QueryRow(t.Context(), "select count(*) from orders.contacts").Scan(&contacts))
					return contacts == 0
				})
			}
			fails("sim_declined", http.StatusPaymentRequired, "payment_declined")
			s.SetStock(t, sku, 0)
			fails("sim_ok", http.StatusConflict, "out_of_stock")
			s.SetStock(t, sku, 1)
			buys(t, ada, 1250, "sim_ok")
			var contacts int
			require.NoError(t, db.QueryRow(t.Context(), "select count(*) from orders.contacts").Scan(&contacts))
			require.Equal(t, 1, contacts, "that of an order stays")
			metrics := string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text)
			const rehearsed = `commands_total{outcome="rehearsed",store="cart"}`
			if name == "OneDatabase" { // the contact is written with the sealed cart
				require.NotContains(t, metrics, rehearsed)
			} else {
				require.Contains(t, metrics, rehearsed+" 3")
			}
			require.NotContains(t, metrics, `commands_total{outcome="failed",store="cart"}`)
		})
	}
}

// TestExport: a customer and an operator export, page by page, everything that is held about the customer, and nobody else does. The customer
// sees neither what operators wrote nor why a card was declined.
func TestExport(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup, func(_ testing.TB, c *config.Config) { c.PaymentOneDecline = true })
			ada, eve := s.Shopper(t), s.Shopper(t)
			texts := writesOf(t, s, ada, "Ada.Byron@example.com", "Ada Byron", "12 Dorset Street")
			harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, s.AddProduct(t, 500)), "sim_insufficient_funds", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
			writesOf(t, s, eve, "Eve.Moneypenny@example.com", "Eve Moneypenny", "30 Wellington Square")
			path := "/v1/customers/" + ada.ID.String() + "/export"
			harness.RequireProblem(t, s.Send(t, http.MethodGet, path, eve.Token, nil), http.StatusNotFound, "not_found")

			own, kinds := exported(t, s, path, ada.Token, 3)
			require.GreaterOrEqual(t, kinds["audit"], 4)
			delete(kinds, "audit")
			require.Equal(t, map[string]int{"contact": 1, "cart": 3, "order": 3, "saga": 5, "payment": 3}, kinds)
			for _, text := range texts[:3] {
				require.Contains(t, own, text)
			}
			require.NotContains(t, own, "Retry for", "what operators wrote")
			require.NotContains(t, own, `"insufficient_funds"`)

			whole, kinds := exported(t, s, path, s.Admin, 1)
			require.Equal(t, 4, kinds["note"])
			for _, text := range texts {
				require.Contains(t, whole, text)
			}
			for _, data := range []string{own, whole} {
				require.NotContains(t, data, "Moneypenny")
				require.NotContains(t, data, "note:")
			}
		})
	}
}

// exported returns the data of all pages of an export, and counts the kinds of items. Its reads make entries in the audit meanwhile.
func exported(t *testing.T, s *harness.Site, path, token string, limit int) (data string, kinds map[string]int) {
	t.Helper()
	kinds = map[string]int{}
	seen, all := map[uuid.UUID]bool{}, strings.Builder{}
	for cursor := ""; ; {
		page := harness.Get[harness.List[privacy.ExportItem]](t, s, path+"?limit="+strconv.Itoa(limit)+cursor, token)
		require.LessOrEqual(t, len(page.Data), limit)
		for _, item := range page.Data {
			require.False(t, seen[item.ID], "each once")
			seen[item.ID] = true
			kinds[item.Kind]++
			all.Write(item.Data)
		}
		if page.NextCursor == nil {
			return all.String(), kinds
		}
		require.Less(t, len(seen), 200, "it ends")
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}
