package saga

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

// names takes a token for the name of its bearer; root is an operator.
type names struct{}

func (names) Authenticate(_ context.Context, token string) (web.Caller, error) {
	switch token {
	case "":
		return web.Caller{}, errors.New("no token")
	case "root":
		return web.Caller{Subject: token, Scopes: []string{web.ScopeAdmin}}, nil
	}
	return web.Caller{Subject: token}, nil
}

// shop is a process behind its routes. Carts are sealed as the test says.
type shop struct {
	*process
	server *web.Server
	cart   uuid.UUID
	seal   func(cart.CheckOut) (cart.CheckOutResult, error)

	mu       sync.Mutex
	contacts map[uuid.UUID]order.Contact
}

func openShop(t *testing.T, play play, configure ...func(*Config)) *shop {
	t.Helper()
	s := &shop{cart: uuid.New(), contacts: map[uuid.UUID]order.Contact{}}
	s.seal = func(cmd cart.CheckOut) (cart.CheckOutResult, error) {
		return cart.CheckOutResult{CheckoutID: s.seals(1000), ContactID: cmd.ContactID}, nil
	}
	ofShop := func(c *Config) { c.Carts, c.Orders = shopCarts{c.Carts, s}, shopOrders{c.Orders, s} }
	s.process = start(t, pgtest.New(t), play, append(configure, ofShop)...)
	s.server = web.New(web.Config{Auth: names{}, Log: s.Log, Grace: 5 * time.Second})
	s.Routes(s.server)
	return s
}

// shopCarts are the carts of a shop: there is one, and it is ann's.
type shopCarts struct {
	Carts
	shop *shop
}

func (c shopCarts) Authorize(_ context.Context, caller web.Caller, id uuid.UUID) (string, error) {
	if id != c.shop.cart || caller.Subject != "ann" && !caller.Operator() {
		return "", errNotFound
	}
	return "ann", nil
}

func (c shopCarts) CheckOut(ctx context.Context, cmd cart.CheckOut) (cart.CheckOutResult, error) {
	if err := cmd.SaveContact(ctx); err != nil { // it would be sealed, and is perhaps refused then
		return cart.CheckOutResult{}, err
	}
	return c.shop.seal(cmd)
}

// shopOrders are the orders of a shop, which keep its contacts.
type shopOrders struct {
	Orders
	shop *shop
}

func (o shopOrders) SaveContact(_ context.Context, contact order.Contact) error {
	o.shop.mu.Lock()
	defer o.shop.mu.Unlock()
	o.shop.contacts[contact.ID] = contact
	return nil
}

func (o shopOrders) DropContact(_ context.Context, id uuid.UUID) error {
	o.shop.mu.Lock()
	defer o.shop.mu.Unlock()
	delete(o.shop.contacts, id)
	return nil
}

func (s *shop) kept() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.contacts)
}

// call sends a request as ann, with headers in pairs.
func (s *shop) call(method, path, body string, headers ...string) (*httptest.ResponseRecorder, map[string]any) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer ann")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	var answer map[string]any
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
	return w, answer
}

func (s *shop) checksOut(headers ...string) (*httptest.ResponseRecorder, map[string]any) {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/carts/"+s.cart.String()+"/checkout", `{"payment_method":"sim_ok","email":"ann@example.com"}`,
		append([]string{"Idempotency-Key", "k", "If-Match", `"3"`}, headers...)...)
}

// saying makes one step answer so, every time.
func saying(step string, out payment.Outcome, err error) play {
	return func(ctx context.Context, s string, n int) (payment.Outcome, error) {
		if s == step {
			return out, err
		}
		return well(ctx, s, n)
	}
}

func no(code string) payment.Outcome {
	return payment.Outcome{Result: payment.ResultRefused, Failure: &payment.Failure{Code: code, Detail: "No."}}
}

func TestCheckOutOverHTTP(t *testing.T) {
	t.Parallel()
	t.Run("WaitsForTheOrder", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		w, checkout := s.checksOut("Prefer", "wait=30")
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		require.Equal(t, "completed", checkout["status"])
		require.Equal(t, "/v1/checkouts/"+checkout["id"].(string), w.Header().Get("Location"))
		require.Equal(t, 1, s.kept())
		w, shown := s.call(http.MethodGet, w.Header().Get("Location"), "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, checkout, shown)
	})
	t.Run("WithoutWaitItIsAccepted", func(t *testing.T) {
		t.Parallel()
		g := newGate(t)
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			g.pass()
			return well(ctx, step, n)
		})
		w, checkout := s.checksOut()
		require.Equal(t, http.StatusAccepted, w.Code)
		require.Equal(t, "running", checkout["status"])
		require.Len(t, checkout["steps"], 4, "all that is ahead")
		close(g.open)
	})
	t.Run("ARefusalSaysWhy", func(t *testing.T) {
		t.Parallel()
		short := fault.New(fault.Conflict, "out_of_stock", "Not enough.").With("lines", []Short{{SKU: "A", Requested: 2, Available: 1}})
		for code, want := range map[string]struct {
			status int
			play   play
		}{
			"payment_declined": {http.StatusPaymentRequired, saying(ChargeMoney, no("payment_declined"), nil)},
			"capture_refused":  {http.StatusPaymentRequired, saying(ChargeMoney, no("capture_refused"), nil)},
			"out_of_stock":     {http.StatusConflict, saying(PlaceOrder, payment.Outcome{}, short)},
		} {
			t.Run(code, func(t *testing.T) {
				t.Parallel()
				s := openShop(t, want.play)
				w, problem := s.checksOut("Prefer", "wait=30")
				require.Equal(t, want.status, w.Code, w.Body)
				require.Equal(t, code, problem["code"])
				require.NotEmpty(t, problem["checkout_id"])
				if code == "out_of_stock" {
					require.Equal(t, []any{map[string]any{"sku": "A", "requested": 2.0, "available": 1.0}}, problem["lines"])
				}
				require.Equal(t, 1, s.kept(), "the order may have been placed with it")
			})
		}
	})
	t.Run("AnAddressThatNobodyCanFindIsRefused", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		for address, want := range map[string]string{
			"zoe\u200b@example.com":                "It must not contain spaces or invisible characters. Character 4 is U+200B.",
			"\u2009eve@example.com":                "It must not contain spaces or invisible characters. Character 1 is U+2009.",
			"bob@example.com\u202e":                "It must not contain spaces or invisible characters. Character 16 is U+202E.",
			strings.Repeat("a", 65) + "@b.example": "The part before the @ must be at most 64 bytes long.",
			"ann":                                  "It must be an e-mail address.",
			"":                                     "It is required.",
		} {
			body, err := json.Marshal(map[string]string{"payment_method": "sim_ok", "email": address})
			require.NoError(t, err)
			w, problem := s.call(http.MethodPost, "/v1/carts/"+s.cart.String()+"/checkout", string(body), "Idempotency-Key", "k", "If-Match", `"3"`)
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
			require.Equal(t, "validation_failed", problem["code"])
			code := "email"
			if address == "" {
				code = "required"
			}
			require.Equal(t, []any{map[string]any{"field": "email", "code": code, "detail": want}}, problem["errors"])
		}
		require.Zero(t, s.kept())
	})
	t.Run("ContactsNobodyNeedsAreDropped", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		id := s.seals(1000)
		s.seal = func(cart.CheckOut) (cart.CheckOutResult, error) {
			return cart.CheckOutResult{CheckoutID: id, ContactID: uuid.New(), Replayed: true}, nil
		}
		w, _ := s.checksOut()
		require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
		require.Zero(t, s.kept(), "the first one stands")
		s.seal = func(cart.CheckOut) (cart.CheckOutResult, error) {
			return cart.CheckOutResult{}, fault.New(fault.Conflict, "cart_closed", "Closed.")
		}
		w, _ = s.checksOut()
		require.Equal(t, http.StatusConflict, w.Code)
		require.Zero(t, s.kept())
		s.seal = func(cart.CheckOut) (cart.CheckOutResult, error) {
			return cart.CheckOutResult{}, eventstore.ErrUnavailable
		}
		w, _ = s.checksOut()
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, 1, s.kept(), "the cart may be sealed")
		s.seal = func(cmd cart.CheckOut) (cart.CheckOutResult, error) {
			return cart.CheckOutResult{CheckoutID: id, ContactID: cmd.ContactID, Replayed: true}, nil
		}
		w, _ = s.checksOut()
		require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
		require.Equal(t, 2, s.kept(), "the first answer was lost: it is sealed with this one")
	})
	t.Run("AServerThatStopsHoldsNobody", func(t *testing.T) {
		t.Parallel()
		g := newGate(t)
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			g.pass()
			return well(ctx, step, n)
		})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		stop := background(func(ctx context.Context) error { return s.server.Run(ctx, listener, nil) })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String()+"/v1/carts/"+s.cart.String()+"/checkout",
			strings.NewReader(`{"payment_method":"sim_ok","email":"ann@example.com"}`))
		require.NoError(t, err)
		for name, value := range map[string]string{
			"Authorization": "Bearer ann", "Content-Type": "application/json", "Idempotency-Key": "k", "If-Match": `"3"`, "Prefer": "wait=30",
		} {
			r.Header.Set(name, value)
		}
		status := make(chan int, 1)
		go func() {
			defer close(status)
			if answer, err := http.DefaultClient.Do(r); err == nil {
				status <- answer.StatusCode
				answer.Body.Close()
			}
		}()
		<-g.reached
		require.NoError(t, stop(), "nobody is cut off")
		require.Equal(t, http.StatusAccepted, <-status)
		require.Zero(t, s.called(ChargeMoney), "the checkout is still on its way")
	})
}

func TestCancelOverHTTP(t *testing.T) {
	t.Parallel()
	cancels := func(s *shop, id uuid.UUID, headers ...string) (*httptest.ResponseRecorder, map[string]any) {
		return s.call(http.MethodPost, "/v1/checkouts/"+id.String()+"/cancel", "", append([]string{"Idempotency-Key", "c"}, headers...)...)
	}
	cancelled := func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == ChargeMoney && n == 1 {
			return toBank, nil
		}
		if step == ChargeMoney {
			return no(payment.CodeCancelled), nil
		}
		return well(ctx, step, n)
	}
	t.Run("WaitsUntilItIs", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, cancelled)
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		w, checkout := cancels(s, id, "Prefer", "wait=30")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, "cancelled", checkout["status"])
		w, _ = cancels(s, id)
		require.Equal(t, http.StatusOK, w.Code, "already")
	})
	t.Run("RefusesAnUnknownBody", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, cancelled)
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		path := "/v1/checkouts/" + id.String() + "/cancel"
		w, problem := s.call(http.MethodPost, path, `{"reason":"x"}`, "Idempotency-Key", "c")
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
		require.Equal(t, "unknown_field", problem["code"])
		w, _ = s.call(http.MethodPost, path, `{}`, "Idempotency-Key", "c", "Prefer", "wait=30")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	})
	t.Run("WithoutWaitItIsAccepted", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, cancelled)
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		w, _ := cancels(s, id)
		require.Contains(t, []int{http.StatusAccepted, http.StatusOK}, w.Code)
		s.reaches(id, Cancelled)
	})
	for name, want := range map[string]struct {
		total int64
		play  play
		until Status
		code  string
	}{
		"TooLateOnceTheCaptureHasBegun": {1000, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			switch step {
			case ChargeMoney:
				return toBank, nil
			case "payment.cancel":
				return payment.Outcome{}, errTooLate
			}
			return well(ctx, step, n)
		}, RequiresAction, "too_late"},
		"TooLateOnceCompleted": {1000, well, Completed, "too_late"},
		"NotWhatHasFailed":     {1000, saying(ChargeMoney, no("payment_declined"), nil), Failed, "checkout_failed"},
		"NotWhatCostsNothing":  {0, saying(ConfirmOrder, payment.Outcome{}, errNotFound), NeedsAttention, "too_late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, want.play)
			id := s.seals(want.total)
			s.reaches(id, want.until)
			w, problem := cancels(s, id)
			require.Equal(t, http.StatusConflict, w.Code, w.Body)
			require.Equal(t, want.code, problem["code"])
		})
	}
	t.Run("AnothersCheckoutIsNotThere", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		id := s.seals(1000)
		s.reaches(id, Completed)
		for method, path := range map[string]string{http.MethodGet: "", http.MethodPost: "/cancel"} {
			w, problem := s.call(method, "/v1/checkouts/"+id.String()+path, "", "Authorization", "Bearer eve", "Idempotency-Key", "c")
			require.Equal(t, http.StatusNotFound, w.Code)
			require.Equal(t, "not_found", problem["code"])
		}
		w, saga := s.call(http.MethodGet, "/v1/admin/sagas/"+id.String(), "", "Authorization", "Bearer root")
		require.Equal(t, http.StatusOK, w.Code)
		require.Len(t, saga["events"], 6)
		w, list := s.call(http.MethodGet, "/v1/admin/sagas?status=completed", "", "Authorization", "Bearer root")
		require.Equal(t, http.StatusOK, w.Code)
		require.Len(t, list["data"], 1)
	})
}
