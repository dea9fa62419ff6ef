package audit

import (
	"testing"

	"github.com/google/uuid"

	"shopping-cart/eventstore/golden"
)

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	golden.Check(t, entries, []Event{Recorded{
		ID: uuid.UUID{1}, Action: "changed", Actor: "ada", Address: "192.0.2.7", Route: "POST /v1/orders/:id/refunds",
		Object: "019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b", RequestID: "019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5c",
	}})
}
