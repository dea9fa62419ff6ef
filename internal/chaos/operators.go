package chaos

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// known is state that all share.
type known struct {
	mu       sync.Mutex
	records  []*checkoutRecord
	webhooks map[string]bool // ids of sent and acknowledged events
}

func (k *known) add(d *checkoutRecord) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records = append(k.records, d)
}

func (k *known) sent(event string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.webhooks == nil {
		k.webhooks = map[string]bool{}
	}
	k.webhooks[event] = true
}

// operate changes prices and stock, sends webhooks in disorder, and retries sagas that need attention.
func (s *shop) operate(ctx context.Context) {
	random := s.source(ofOperators, 0)
	for n := 0; pause(ctx, between(random, 20*time.Millisecond, 200*time.Millisecond)); n++ {
		p, q, key := s.shelf[random.IntN(len(s.shelf))], random.Int64N(40), strconv.Itoa(n)
		switch random.IntN(8) {
		case 0, 1:
			if p.moves {
				s.retry(ctx, s.priceCall(p, p.price+q, true, key), "200")
			}
		case 2:
			if p.comes {
				s.retry(ctx, s.priceCall(p, p.price, q%2 == 0, key), "200")
			}
		case 3, 4:
			if p.tracked() {
				s.restock(ctx, p, q, key)
			}
		case 5:
			s.forge(ctx, random)
		case 6:
			s.replay(ctx, random, key)
		case 7:
			s.retryNeedingAttention(ctx)
		}
	}
}

func (s *shop) priceCall(p product, price int64, active bool, key string) call {
	return call{
		method: http.MethodPut, path: "/v1/products/" + url.PathEscape(p.sku), token: s.operator, key: "price-" + p.sku + key,
		body: map[string]any{"name": "Mug", "price": map[string]any{"amount": price, "currency": p.currency}, "active": active},
	}
}

func (s *shop) stockCall(p product, onHand int64, key string) call {
	return call{
		method: http.MethodPut, path: "/v1/stock/" + url.PathEscape(p.sku), token: s.operator, key: "stock-" + p.sku + key,
		body: map[string]any{"on_hand": onHand},
	}
}

// restock counts the reserved units plus more.
func (s *shop) restock(ctx context.Context, p product, more int64, key string) {
	path := "/v1/stock/" + url.PathEscape(p.sku)
	a, ok := s.retry(ctx, call{method: http.MethodGet, path: path, token: s.operator}, "200")
	if onHand := in[stockView](a).Reserved + more; ok && p.stock < onHand {
		p.stock = onHand
	}
	if ok {
		s.retry(ctx, s.stockCall(p, p.stock, key), "200", "409 below_reserved")
	}
}

// forge sends webhooks that are forged or invalid.
func (s *shop) forge(ctx context.Context, random *rand.Rand) {
	event, reference := fmt.Sprintf("evt_forged_%d", random.Int64()), fmt.Sprintf("nobody-%d", random.Int64N(100))
	bad := s.webhook(event, "payment.authorized", reference)
	bad.header.Set("Simulator-Signature", fmt.Sprintf("t=%d,v1=%064x", time.Now().Unix(), random.Uint64()))
	s.retry(ctx, bad, "400 bad_signature")
	s.count("webhooks", "forged")
	s.send(ctx, event, "payment.of_a_kind_to_come", reference)
}

// sendHints sends webhooks about a payment twice, in a random order, about events that may not have happened. The program must
// believe only the provider's API.
func (s *shop) sendHints(ctx context.Context, payment string) {
	for _, kind := range []string{"payment.captured", "payment.declined", "payment.authorized", "payment.declined"} {
		s.send(ctx, "evt_hint_"+kind+"_"+payment, kind, payment)
	}
}

// send sends a webhook as the provider does. An acknowledged one must be stored at the end.
func (s *shop) send(ctx context.Context, event, kind, reference string) {
	if _, ok := s.retry(ctx, s.webhook(event, kind, reference), "200"); ok {
		s.count("webhooks", "hints with a valid signature")
		s.known.sent(event)
	}
}

func (s *shop) webhook(event, kind, reference string) call {
	at := time.Now()
	body, _ := json.Marshal(map[string]any{"id": event, "type": kind, "reference": reference, "created_at": at.Add(-time.Hour).UTC()})
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return call{
		method: http.MethodPost, path: "/v1/webhooks/payments/simulator", body: body,
		header: http.Header{"Simulator-Signature": {"t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))}},
	}
}

// replay repeats one of the last webhooks.
func (s *shop) replay(ctx context.Context, random *rand.Rand, key string) {
	a, ok := s.retry(ctx, call{method: http.MethodGet, path: "/v1/admin/webhooks?limit=50", token: s.operator}, "200")
	list := in[struct{ Data []struct{ ID string } }](a).Data
	if n := random.IntN(50); ok && n < len(list) {
		path := "/v1/admin/webhooks/" + url.PathEscape(list[n].ID) + "/replay"
		s.retry(ctx, call{method: http.MethodPost, path: path, token: s.operator, key: "replay-" + key}, "202", "409 unknown_payment")
		s.count("webhooks", "replayed")
	}
}

// retryNeedingAttention retries sagas that need attention. The provider works, so a retry is always right.
func (s *shop) retryNeedingAttention(ctx context.Context) {
	a, ok := s.retry(ctx, call{method: http.MethodGet, path: "/v1/admin/sagas?status=needs_attention", token: s.operator}, "200")
	if !ok {
		return
	}
	for _, needy := range in[struct{ Data []sagaView }](a).Data {
		retry := call{method: http.MethodPost, path: "/v1/admin/sagas/" + needy.ID + "/retry", token: s.operator, body: map[string]any{"reason": "The provider is back."}}
		s.retry(ctx, retry, "202", "409 saga_ended")
		s.count("sagas that needed attention", needy.Type)
	}
}

type sagaView struct {
	ID, Type, Status string
	Failure          *struct{ Code string }
	OrderID          string `json:"order_id"`
}
