package web

import "github.com/labstack/echo/v4"

// visit is what is known of a request while it is answered. It lies in the context of Echo, whose store is a map: one
// entry there, and not one for each of these.
type visit struct {
	id     string // of the request
	routed bool   // it reached a route, even if a guard then refused it
	caller Caller
	body   []byte // as it came, once it was read
	read   bool
}

const visitKey = "web.visit"

// visitOf is the visit that c belongs to; a new one when c does not come from a Server.
func visitOf(c echo.Context) *visit {
	v, ok := c.Get(visitKey).(*visit)
	if !ok {
		v = &visit{}
		c.Set(visitKey, v)
	}
	return v
}

// CallerOf is who sent the request.
func CallerOf(c echo.Context) Caller { return visitOf(c).caller }

// RequestID is the name of the request in answers and logs.
func RequestID(c echo.Context) string { return visitOf(c).id }
