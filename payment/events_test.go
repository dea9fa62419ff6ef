package payment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore/golden"
	"shopping-cart/platform/money"
)

// examples hold one event of each kind, every field filled.
var examples = []event{
	wish, authorized{"ref"}, actionRequired{"ref", keptAction{"redirect", "https://bank.example/1"}, noon}, declined{CodeInsufficientFunds}, capturing, captured{1999},
	captureRefused{CodeCaptureRefused}, outcomeUnknown{opCapture, "timeout"},
	UndoRequested{theCheck, "ann", CodeCancelled, reasonCancelled}, voided{}, asksRefund, ordersRefund, refunded{theRefund},
	refundFailed{theRefund, "closed"}, Notified{theCheck, "evt_1", "payment.authorized"},
	RefundedElsewhere{
		elsewhereID(theID, "re_1"), "re_1", ElsewhereRefund, theOrder, theCheck, money.Of(500, "GBP"), reasonsElsewhere[ElsewhereRefund], noon,
	},
	Resolved{theCheck, ResolvedNotCaptured, "Their support says that nothing was taken."},
}

// TestSecretsAreNotStored: an address may hold the secret too, so an action with a secret keeps its type alone.
func TestSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	secret := NextAction{Type: "use_stripe_sdk", URL: "https://hooks.example/pi_1_secret_2", ClientSecret: "pi_1_secret_2"}
	events, err := onAnswer(given(wish), providerCall{operation: opAuthorize}, theID, Answer{Status: ActionRequired, NextAction: &secret}, noon, ttl)
	require.NoError(t, err)
	require.Equal(t, []event{actionRequired{"", keptAction{Type: "use_stripe_sdk"}, noon.Add(ttl)}}, events)
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	old := wish
	old.Source, old.Guest = "", false
	golden.Check(t, declineCounters, []declineEvent{declineCounted{theID, 2, noon}})
	golden.Check(t, payments, examples, golden.Past[event]{Version: 1, Today: old}, golden.Past[event]{Version: 1, Today: actionRequired{"ref", kept(bankPage), noon}},
		golden.Past[event]{Version: 2, Today: actionRequired{"ref", kept(bankPage), noon}})
}
