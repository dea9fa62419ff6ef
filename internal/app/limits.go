package app

import (
	"cmp"
	"log/slog"
	"math"
	"time"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

// limits returns the limits of the web server.
func (p *App) limits(settings config.Config, log *slog.Logger) (web.Limits, error) {
	rates, err := settings.Rates()
	if err != nil || !settings.Limited() {
		return web.Limits{}, err
	}
	l := web.Limits{Rates: map[web.Class]web.Rates{}, Delay: refusalDelay}
	for class, r := range rates {
		l.Rates[web.Class(class)] = web.Rates{Subject: web.Rate(r.Subject), Address: web.Rate(r.Address)}
	}
	possible := p.possibleConnections(settings)
	most := maxConnections(settings, possible, log)
	l.Connections = web.ConnectionLimits{
		Most: most, PerAddress: cmp.Or(settings.MaxConnectionsPerAddress, max(1, most/4)),
		Delay: connectionDelay, Delayed: min(derivedConnections, possible-most),
	}
	l.Streams = web.StreamLimits{
		Most: cmp.Or(settings.MaxStreams, max(1, most/2)), PerAddress: settings.MaxStreamsPerAddress,
		PerSubject: settings.MaxStreamsPerSubject, PerObject: settings.MaxStreamsPerCheckout,
	}
	return l, nil
}

// cartLimits returns what a cart may hold, and how often its payment may fail.
func cartLimits(settings config.Config) cart.Limits {
	of := settings.Guards()
	return cart.Limits{
		Line: of["CART_MAX_LINE_QUANTITY"], Order: of["CART_MAX_QUANTITY"], Guest: of["CART_MAX_GUEST_QUANTITY"],
		Failures: int(of["CART_MAX_FAILED_PAYMENTS"]), Pause: settings.CartPaymentPause,
	}
}

// orderLimits returns what a customer, a guest and an address may hold in checkouts that wait for their payment.
func orderLimits(settings config.Config) order.Limits {
	of := settings.Guards()
	limit := func(holder string) order.HolderLimit {
		return order.HolderLimit{Orders: of["WAITING_CHECKOUTS_PER_"+holder], Value: of["WAITING_VALUE_PER_"+holder]}
	}
	return order.Limits{Customer: limit("CUSTOMER"), Guest: limit("GUEST"), Address: limit("ADDRESS")}
}

// declineLimits returns how many payments of a customer or an address may be declined.
func declineLimits(settings config.Config) payment.DeclineLimits {
	of := settings.Guards()
	return payment.DeclineLimits{
		Guest: int(of["PAYMENT_MAX_GUEST_DECLINES"]), Customer: int(of["PAYMENT_MAX_CUSTOMER_DECLINES"]),
		Address: int(of["PAYMENT_MAX_ADDRESS_DECLINES"]), Window: settings.PaymentDeclineWindow,
	}
}

// refusalDelay slows a client that repeats refused requests at once to one request a second on each of its connections.
const refusalDelay = time.Second

// connectionDelay slows a client that opens connections beyond its limit.
const connectionDelay = 5 * time.Second

const (
	derivedConnections = 10_000 // the most without a setting, about 200 MB; also the most refused ones that are held
	fewestConnections  = 16
	otherFiles         = 64 // open beside connections: logs, listeners, the runtime's
)

// possibleConnections returns how many connections the limit of open files leaves.
func (p *App) possibleConnections(settings config.Config) int {
	if files := web.OpenFiles(); files > 0 && files < math.MaxInt32 {
		return max(fewestConnections, int(files)-p.files(settings))
	}
	return math.MaxInt32
}

// maxConnections returns MAX_CONNECTIONS, or as many as are possible.
func maxConnections(settings config.Config, possible int, log *slog.Logger) int {
	if settings.MaxConnections > possible {
		log.Warn("MAX_CONNECTIONS is lowered to what the limit of open files allows (ulimit -n, LimitNOFILE)",
			"set", settings.MaxConnections, "used", possible)
	}
	return min(possible, cmp.Or(settings.MaxConnections, derivedConnections))
}

// files returns the number of files that the program opens beside the connections of clients: those to databases and the provider.
func (p *App) files(settings config.Config) int {
	n := otherFiles + web.ConnectionReserve + 2*settings.PaymentConcurrency // the simulator's webhooks come back to this process
	for _, db := range p.Databases {
		for _, pool := range db.Pools.All() {
			n += int(pool.Stat().MaxConns())
		}
		n++ // for notifications
	}
	return n
}
