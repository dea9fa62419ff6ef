package payment

import (
	"testing"

	"shopping-cart/eventstore/golden"
	"shopping-cart/platform/money"
)

// examples hold one event of each kind, every field filled.
var examples = []event{
	wish, authorized{"ref"}, actionRequired{"ref", NextAction{"redirect", "https://bank.example/1", "pi_1_secret_2"}, noon}, declined{CodeInsufficientFunds}, capturing, captured{1999},
	captureRefused{CodeCaptureRefused}, outcomeUnknown{opCapture, "timeout"},
	UndoRequested{theCheck, "ann", CodeCancelled, reasonCancelled}, voided{}, asksRefund, ordersRefund, refunded{theRefund},
	refundFailed{theRefund, "closed"}, Notified{theCheck, "evt_1", "payment.authorized"},
	RefundedElsewhere{
		elsewhereID(theID, "re_1"), "re_1", ElsewhereRefund, theOrder, theCheck, money.Of(500, "GBP"), reasonsElsewhere[ElsewhereRefund], noon,
	},
	Resolved{theCheck, ResolvedNotCaptured, "Their support says that nothing was taken."},
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	golden.Check(t, payments, examples, golden.Past[event]{Version: 1, Today: actionRequired{"ref", bankPage, noon}})
}
