package cart

import "shopping-cart/platform/fault"

// The refusals of commands and requests. platform/web turns their kind into a status.
var (
	errNotFound         = fault.New(fault.NotFound, "not_found", "There is no such cart.")
	errCartClosed       = fault.New(fault.Conflict, "cart_closed", "This cart can no longer be changed.")
	errCartWornOut      = fault.New(fault.Conflict, "cart_worn_out", "This cart was changed too often. Check it out as it is, or put its items into a new cart.")
	errCartEmpty        = fault.New(fault.Conflict, "cart_empty", "This cart is empty.")
	errAdjustmentsStale = fault.New(fault.Conflict, "adjustments_stale", "The cart has changed since its tax, delivery and discounts were calculated. They must be calculated again before it can be checked out.")
	errPriceChanged     = fault.New(fault.Conflict, "price_changed", "Prices have changed since the items were added. Reprice the cart and check the new total.")
	errNoSuchLine       = fault.New(fault.NotFound, "no_such_line", "The cart has no line with this SKU.")
	errUnknownProduct   = fault.New(fault.NotFound, "unknown_product", "There is no product with this SKU.")
	errProductInactive  = fault.New(fault.Invalid, "product_inactive", "This product is not sold at the moment.")
	errCurrencyMismatch = fault.New(fault.Invalid, "currency_mismatch", "The currency differs from the cart's.")
	errTooManyLines     = fault.New(fault.Invalid, "too_many_lines", "A cart holds at most 1000 lines.")
	errTooManyUnits     = fault.New(fault.Invalid, "too_many_units", "The cart would hold too many units.")
	errTooManyAttempts  = fault.New(fault.TooMany, "too_many_attempts", "The payment of this cart failed too often. Wait before the next checkout.")
	errNegativeTotal    = fault.New(fault.Invalid, "negative_total", "The adjustments would make the total negative.")
	errTooManyAdjusted  = fault.New(fault.Invalid, "too_many_adjustments", "A cart holds at most 100 adjustments, and the two carts together have more. Set fewer on one of them, then merge again.")
	errAmountTooLarge   = fault.New(fault.Invalid, "amount_too_large", "The amount is larger than 9007199254740991 minor units.")
	errNotYourGuest     = fault.New(fault.Forbidden, "not_your_guest", "The token does not belong to the owner of the source cart.")
	errNotGuest         = fault.New(fault.Forbidden, "not_a_guest", "The token of the source cart is not a guest's. Only the cart of a guest can be merged.")
	errIntoItself       = fault.New(fault.Invalid, "same_cart", "A cart cannot be merged into itself.")
	errTooManySearches  = fault.New(fault.TooMany, "too_many_requests", "Too many searches are running. Try again shortly.")
	errSearchTooSlow    = fault.New(fault.Unavailable, "search_too_slow", "The search took too long. Search for a longer text, or try again shortly.")
)
