package payment

import "shopping-cart/platform/fault"

// The refusals of commands and requests. platform/web turns their kind into a status.
var (
	errNotChargeable     = fault.New(fault.Invalid, "amount_not_chargeable", "This amount cannot be charged or refunded with any payment method.")
	errTooLate           = fault.New(fault.Conflict, "too_late", "The payment is already being captured. Cancel the order instead.")
	errNotCaptured       = fault.New(fault.Conflict, "not_captured", "Nothing was captured, so nothing can be refunded.")
	errExceedsCaptured   = fault.New(fault.Invalid, "exceeds_captured", "The amount is more than can still be refunded.")
	errRefundLimit       = fault.New(fault.Forbidden, "refund_limit", "This access token does not allow so large a refund.")
	errOtherCurrency     = fault.New(fault.Invalid, "currency_mismatch", "The payment is in another currency.")
	errNotFound          = fault.New(fault.NotFound, "not_found", "There is no such payment.")
	errNoProvider        = fault.New(fault.NotFound, "not_found", "There is no such payment provider.")
	errBadSignature      = fault.New(fault.Malformed, "bad_signature", "The signature of the webhook is missing, wrong or too old.")
	errBadWebhook        = fault.New(fault.Malformed, "bad_webhook", "The webhook is signed, but cannot be read.")
	errLedgerUnavailable = fault.New(fault.Unavailable, "provider_unavailable",
		"The payment provider's ledger cannot be read at the moment. Try again shortly.")
	errNothingUnresolved = fault.New(fault.Conflict, "not_in_doubt",
		"This payment has no unresolved capture. A void that is owed is repeated until it is done.")
	errAlreadyResolved = fault.New(fault.Conflict, "already_settled", "This payment was already resolved with another outcome.")
	errNotCapturable   = fault.New(fault.Conflict, "cannot_be_captured",
		"No capture of this payment was requested, or it is being compensated: it cannot count as captured.")
	errNoRefusedRefund = fault.New(fault.Conflict, "not_refused", "The provider has not refused a refund that is owed. Retry instead.")
	errProviderAnswers = fault.New(fault.Conflict, "provider_answers", "The provider can still tell the outcome of this payment. Retry instead.")
	errNoWebhook       = fault.New(fault.NotFound, "not_found", "There is no such webhook.")
	errNoPayment       = fault.New(fault.Conflict, "unknown_payment", "The payment of this webhook is not known yet.")
)
