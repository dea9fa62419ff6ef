package order

import (
	"encoding/json"

	"shopping-cart/platform/web"
)

// The bounds of a shipping address. What lists answer must fit into memory, and must be readable by JSON readers that take
// few levels.
const (
	maxAddressBytes = 4 << 10
	maxAddressDepth = 4
)

// address is the shipping address as it was given; nil when there is none, and where it is beyond the bounds or holds a number
// that no client can read. Older versions took any: then omitted is true.
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
