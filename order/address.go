package order

import (
	"encoding/json"
)

// The bounds of a shipping address. What lists answer must fit into memory, and must be readable by JSON readers that take
// few levels.
const (
	maxAddressBytes = 4 << 10
	maxAddressDepth = 4
)

// address is the shipping address as it was given; nil when there is none, and where it is beyond the bounds. Older versions
// took any: then omitted is true.
func (c contact) address() (address json.RawMessage, omitted bool) {
	if c.ShippingAddress == nil {
		return nil, c.Oversized
	}
	address = json.RawMessage(*c.ShippingAddress)
	if string(address) == "null" {
		return nil, false
	}
	if CheckAddress(address) != nil || !json.Valid(address) {
		return nil, true
	}
	return address, false
}
