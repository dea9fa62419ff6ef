package web

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The scopes of operators. Each route of theirs names those that it accepts.
const (
	ScopeAdmin        = "admin" // all of them
	ScopeCartsPrice   = "carts:price"
	ScopeOrdersRead   = "orders:read"
	ScopeOrdersFulfil = "orders:fulfil"
	ScopeRefundsWrite = "refunds:write" // "refunds:write:5000" allows refunds of 5000 minor units of an order
	ScopeCatalogWrite = "catalog:write"
	ScopeStockWrite   = "stock:write"
	ScopeSagasOperate = "sagas:operate"
	ScopeEventsRead   = "events:read"
	ScopePrivacyErase = "privacy:erase"
	ScopeMetricsRead  = "metrics:read"

	scopePricing = "pricing" // another name of ScopeCartsPrice
)

// Scopes returns all scopes of operators.
func Scopes() []string {
	return []string{
		ScopeAdmin, ScopeCartsPrice, ScopeOrdersRead, ScopeOrdersFulfil, ScopeRefundsWrite, ScopeCatalogWrite, ScopeStockWrite,
		ScopeSagasOperate, ScopeEventsRead, ScopePrivacyErase, ScopeMetricsRead, scopePricing,
	}
}

// limitedRefunds matches ScopeRefundsWrite with an amount.
var limitedRefunds = regexp.MustCompile("^" + ScopeRefundsWrite + ":[1-9][0-9]{0,15}$")

// IsScope reports whether a text is a scope of operators.
func IsScope(text string) bool {
	return slices.Contains(Scopes(), text) || limitedRefunds.MatchString(text)
}

// Is reports whether the caller has the scope.
func (c Caller) Is(scope string) bool {
	return slices.ContainsFunc(c.Scopes, func(has string) bool {
		switch has {
		case scope, ScopeAdmin:
			return true
		case scopePricing:
			return scope == ScopeCartsPrice
		}
		return scope == ScopeRefundsWrite && limitedRefunds.MatchString(has)
	})
}

// RefundLimit returns the greatest sum of the refunds of an order that the caller may reach, in minor units. 0 means any.
func (c Caller) RefundLimit() (limit int64) {
	for _, has := range c.Scopes {
		switch {
		case has == ScopeAdmin, has == ScopeRefundsWrite:
			return 0
		case limitedRefunds.MatchString(has):
			amount, _ := strconv.ParseInt(strings.TrimPrefix(has, ScopeRefundsWrite+":"), 10, 64) // its digits fit
			limit = max(limit, amount)
		}
	}
	return limit
}
