package order

import (
	"encoding/json"

	"shopping-cart/platform/web"
)

// The limits of a shipping address. A page of addresses must fit into memory. JSON readers with a low limit on nesting must be
// able to read them.
const (
	maxAddressBytes = 4 << 10
	maxAddressDepth = 4
)

// address returns the shipping address as the shopper gave it. It returns nil if there is none, if it exceeds the limits, or if
// it holds a number that no client can read. Older versions stored any address: omitted is true for one that is not shown.
func (c contact) address() (address json.RawMessage, omitted bool) {
	if c.ShippingAddress == nil {
		return nil, c.Oversized
	}
	address = json.RawMessage(*c.ShippingAddress)
	if string(address) == "null" {
		return nil, false
	}
	if CheckAddress(address) != nil || !web.Readable(address) {
		return nil, true
	}
	return address, false
}
