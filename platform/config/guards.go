package config

import (
	"time"

	"shopping-cart/platform/money"
)

// guard is a limit that guards stock or money: its setting, its largest value, and its values in a shop and while no database is named. The last is
// out of reach for a developer. The value 0 of the setting means these; the value 0 of a guard is no limit.
type guard struct {
	setting              string
	value                int64
	most, shop, embedded int64
}

func (c Config) guards() []guard {
	const (
		units     = 1000 * 9999 // a cart has no more
		checkouts = 100_000
	)
	return []guard{
		{"CART_MAX_LINE_QUANTITY", c.CartMaxLineQuantity, 9999, 9999, 9999},
		{"CART_MAX_QUANTITY", c.CartMaxQuantity, units, 20_000, units},
		{"CART_MAX_GUEST_QUANTITY", c.CartMaxGuestQuantity, units, 10_000, units},
		{"CART_MAX_FAILED_PAYMENTS", c.CartMaxFailedPayments, 1_000_000, 10, 1000},
		{"WAITING_CHECKOUTS_PER_CUSTOMER", c.WaitingPerCustomer, checkouts, 5, checkouts},
		{"WAITING_CHECKOUTS_PER_GUEST", c.WaitingPerGuest, checkouts, 2, checkouts},
		{"WAITING_CHECKOUTS_PER_ADDRESS", c.WaitingPerAddress, checkouts, 30, checkouts},
		{"WAITING_VALUE_PER_CUSTOMER", c.WaitingValueCustomer, money.Max, 10_000_000, money.Max},
		{"WAITING_VALUE_PER_GUEST", c.WaitingValueGuest, money.Max, 5_000_000, money.Max},
		{"WAITING_VALUE_PER_ADDRESS", c.WaitingValueAddress, money.Max, 20_000_000, money.Max},
		{"PAYMENT_MAX_GUEST_DECLINES", c.PaymentMaxGuestDeclines, 1_000_000, 5, 1000},
		{"PAYMENT_MAX_CUSTOMER_DECLINES", c.PaymentMaxCustomerDeclines, 1_000_000, 10, 1_000_000},
		{"PAYMENT_MAX_ADDRESS_DECLINES", c.PaymentMaxAddressDeclines, 1_000_000, 20, 1_000_000},
	}
}

// Guards returns the limits that guard stock and money, by their settings. Without limits it returns nil.
func (c Config) Guards() map[string]int64 {
	if !c.Limited() {
		return nil
	}
	all := map[string]int64{}
	for _, g := range c.guards() {
		all[g.setting] = g.shop
		switch {
		case g.value != 0:
			all[g.setting] = g.value
		case c.Limits == limitsAuto && !c.external():
			all[g.setting] = g.embedded
		}
	}
	return all
}

// guestTTL limits 3-D Secure of guests in a shop.
const guestTTL = 5 * time.Minute

// GuestTTL returns the time limit of 3-D Secure for guests.
func (c Config) GuestTTL() time.Duration {
	switch {
	case c.GuestActionTTL > 0:
		return c.GuestActionTTL
	case c.Limits == limitsOn, c.Limits == limitsAuto && c.external():
		return min(guestTTL, c.PaymentActionTTL)
	}
	return c.PaymentActionTTL
}

func (c Config) checkGuards(wrong *findings) {
	for _, g := range c.guards() {
		wrong.between(g.setting, int(g.value), 0, int(g.most))
	}
	wrong.positive("CART_PAYMENT_PAUSE", c.CartPaymentPause)
	if c.GuestActionTTL < 0 || c.GuestActionTTL > c.PaymentActionTTL {
		wrong.add("PAYMENT_GUEST_ACTION_TTL", "must be between 0 and PAYMENT_ACTION_TTL")
	}
	wrong.positive("PAYMENT_DECLINE_WINDOW", c.PaymentDeclineWindow)
}
