package order

import "shopping-cart/platform/fault"

// The refusals of commands and requests. platform/web turns their kind into a status.
var (
	errNotFound         = fault.New(fault.NotFound, "not_found", "There is no such order.")
	errStockUnknown     = fault.New(fault.NotFound, "not_found", "The stock of this SKU is not tracked.")
	errOutOfStock       = fault.New(fault.Conflict, "out_of_stock", "There is not enough of this in stock.")
	errDoesNotAddUp     = fault.New(fault.Conflict, "order_does_not_add_up", "The lines and adjustments of this order do not add up to its total.")
	errTooManyWaiting   = fault.New(fault.Conflict, CodeTooManyWaiting, "Too many checkouts are waiting for their payment. Complete or cancel one of them, or wait.")
	errOrderCancelled   = fault.New(fault.Conflict, "order_cancelled", "This order was cancelled.")
	errOrderConfirmed   = fault.New(fault.Conflict, "order_confirmed", "This order is already confirmed.")
	errNotConfirmed     = fault.New(fault.Conflict, "not_confirmed", "This order is not confirmed yet.")
	errAlreadyFulfilled = fault.New(fault.Conflict, "already_fulfilled", "This order was already fulfilled.")
	errCancelling       = fault.New(fault.Conflict, "order_cancelling", "This order is being cancelled.")
	errNotCancelling    = fault.New(fault.Conflict, "not_cancelling", "No cancellation of this order was requested.")
	errOrderRefunded    = fault.New(fault.Conflict, "order_refunded", "This order has been fully refunded.")
	errRefundLimit      = fault.New(fault.Forbidden, "refund_limit", "This access token does not allow so large a refund, and a cancellation refunds the whole order.")
	errCheckoutRunning  = fault.New(fault.Conflict, "checkout_running", "The checkout of this order has not ended yet. Cancel the checkout, or wait.")
	errBelowReserved    = fault.New(fault.Conflict, "below_reserved", "More units are reserved for orders.")
	errBelowZero        = fault.New(fault.Conflict, "below_zero", "There are fewer units on hand.")
	errAboveMost        = fault.New(fault.Conflict, "above_maximum", "At most 9007199254740991 units can be on hand.")
	errStockShort       = fault.New(fault.Conflict, "stock_short", "Goods of this order are missing from the stock.")
)
