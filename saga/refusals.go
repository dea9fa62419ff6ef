package saga

import (
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// The refusals of commands and requests. platform/web turns their kind into a status.
var (
	errNotFound     = fault.New(fault.NotFound, "not_found", "There is no such checkout.")
	errNoSaga       = fault.New(fault.NotFound, "not_found", "There is no such saga.")
	errTooLate      = fault.New(fault.Conflict, "too_late", "The payment is being captured. It is too late to cancel the checkout.")
	errFailed       = fault.New(fault.Conflict, "checkout_failed", "This checkout has failed. Nothing was charged.")
	errRefundFailed = fault.New(fault.Conflict, payment.CodeRefundFailed,
		"The provider refused this refund for good. Nothing was refunded. Use another key to refund the amount again.")
	errSagaEnded    = fault.New(fault.Conflict, "saga_ended", "This saga has ended.")
	errNotStuck     = fault.New(fault.Conflict, "not_stuck", "No step of this saga needs attention.")
	errCompensating = fault.New(fault.Conflict, "already_compensating", "This checkout is already being compensated. Retry it instead.")
	errCaptured     = fault.New(fault.Conflict, "too_late", "The payment is captured. Cancel the order instead.")
	errConfirmed    = fault.New(fault.Conflict, "too_late", "The order is confirmed. Cancel the order instead.")
	errOneWay       = fault.New(fault.Conflict, "cannot_be_undone", "Only a checkout can be compensated.")
	errStepNeeded   = fault.New(fault.Conflict, "step_needed", "Money, stock or the order depends on this step, so it cannot be skipped.")
	errNotInDoubt   = fault.New(fault.Conflict, "not_in_doubt", "This saga is not waiting on an unresolved capture.")
	errNoRefundOwed = fault.New(fault.Conflict, "not_refused", "This saga is not waiting on a refund that the provider refused.")
	errNotForward   = fault.New(fault.Conflict, "cannot_be_captured", "This checkout is being compensated, so its payment cannot count as captured.")
)
