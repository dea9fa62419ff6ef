package config

// guard is a limit that guards stock or money: its setting, its largest value, and its values in a shop and while no database is named. The last is
// out of reach for a developer. The value 0 of the setting means these; the value 0 of a guard is no limit.
type guard struct {
	setting              string
	value                int64
	most, shop, embedded int64
}

func (c Config) guards() []guard {
	const units = 1000 * 9999 // a cart has no more
	return []guard{
		{"CART_MAX_LINE_QUANTITY", c.CartMaxLineQuantity, 9999, 999, 9999},
		{"CART_MAX_QUANTITY", c.CartMaxQuantity, units, 5000, units},
		{"CART_MAX_GUEST_QUANTITY", c.CartMaxGuestQuantity, units, 1000, units},
		{"CART_MAX_FAILED_PAYMENTS", c.CartMaxFailedPayments, 1_000_000, 10, 1000},
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

func (c Config) checkGuards(wrong *findings) {
	for _, g := range c.guards() {
		wrong.between(g.setting, int(g.value), 0, int(g.most))
	}
	wrong.positive("CART_PAYMENT_PAUSE", c.CartPaymentPause)
}
