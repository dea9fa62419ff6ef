package order

import "shopping-cart/platform/money"

// sumOf returns the sum of lines and adjustments in minor units. It refuses lines beyond money.Max. Adjustments cannot overflow:
// a cart has at most a hundred, each within ±money.Max.
func sumOf(lines []Line, adjustments []Adjustment) (sum int64, err error) {
	for _, l := range lines {
		total, err := money.Times(l.UnitPrice, l.Quantity)
		if err != nil {
			return 0, err
		}
		if sum, err = money.Add(sum, total); err != nil {
			return 0, err
		}
	}
	for _, a := range adjustments {
		sum += a.Amount
	}
	return sum, nil
}

// addsUp reports whether a total is the sum of lines and adjustments, and not below 0.
func addsUp(lines []Line, adjustments []Adjustment, total int64) bool {
	sum, err := sumOf(lines, adjustments)
	return err == nil && sum == total && total >= 0
}
