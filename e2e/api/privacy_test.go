package api

import (
	"encoding/hex"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/privacy"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
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
				kept := writesOf(t, s, eve, "Eve.Moneypenny@example.com", "Eve Moneypenny", "30 Wellington Square")
				before := dumpOf(t, s)
				require.Len(t, holds(before, append(texts, kept...)), len(texts)+len(kept), "the test can find them")

				erase := func() harness.Answer {
					return s.Send(t, http.MethodPost, "/v1/admin/erasures", s.Admin, map[string]any{by: value(ada), "reason": "Request 4711."})
				}
				done := harness.As[privacy.ErasureView](t, erase(), http.StatusOK)
				require.Equal(t, 2, done.Contacts)
				require.Equal(t, 2, done.Orders)
				after := dumpOf(t, s)
				require.Empty(t, holds(after, texts))
				require.Len(t, holds(after, kept), len(kept), "another person keeps everything")

				require.EqualValues(t, 10, done.Notes, "five reasons, each also in the audit")
				again := harness.As[privacy.ErasureView](t, erase(), http.StatusOK)
				require.Zero(t, again.Contacts)
				require.Zero(t, again.Notes)
				for _, o := range harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders?include=unconfirmed", ada.Token).Data {
					require.Nil(t, o.Email)
					require.Equal(t, "null", string(o.ShippingAddress))
				}
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
	post := func(path, token string, body map[string]any, status int, headers ...string) harness.Answer {
		headers = append(headers, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
		a := s.Send(t, http.MethodPost, path, token, body, headers...)
		require.Equal(t, status, a.StatusCode, string(a.Text))
		return a
	}
	sku := s.AddProduct(t, 1250)
	s.SetStock(t, sku, 9)
	buy := func(method string, status int) harness.CheckoutView {
		c := shopper.Fill(t, sku)
		return harness.As[harness.CheckoutView](t, post(harness.CheckoutPath(c), shopper.Token, map[string]any{
			"payment_method": method, "email": email, "shipping_address": map[string]any{"name": name, "street": street},
		}, status, "If-Match", harness.Tag(c.Version)), status)
	}
	sold, asked := buy("sim_ok", http.StatusCreated), buy("sim_requires_action", http.StatusAccepted)
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
