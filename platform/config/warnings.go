package config

import (
	"fmt"

	"shopping-cart/platform/database"
)

// Simulated reports whether payments are simulated.
func (c Config) Simulated() bool { return c.PaymentProvider != Stripe }

// PretendedPayments returns a warning when payments are simulated although a database is named.
func (c Config) PretendedPayments() []string {
	if !c.external() || !c.Simulated() {
		return nil
	}
	return []string{"Payments are simulated although a database is named: no money moves. For a shop with customers set PAYMENT_PROVIDER=" + Stripe + "."}
}

// Warnings returns a sentence for each setting that is valid and not fit for a shop with customers.
func (c Config) Warnings() []string {
	warnings := c.PretendedPayments()
	if c.AuthSecret != "" && c.AdminSecret == c.derived(operatorsTokens) {
		warnings = append(warnings, "ADMIN_SECRET is derived from AUTH_SECRET: who holds AUTH_SECRET can make tokens of operators. Set ADMIN_SECRET.")
	}
	for _, d := range c.allDatabases() {
		if host := database.PlainHost(*d.url); host != "" {
			warnings = append(warnings, fmt.Sprintf("%s leads to %s, and the connection may be made without TLS: add sslmode=verify-full.", d.setting, host))
		}
	}
	return warnings
}
