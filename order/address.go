package order

import (
	"encoding/json"
	"fmt"

	"shopping-cart/platform/web"
)

// The bounds of a shipping address. What lists answer must fit into memory, and must be readable by JSON readers that take
// few levels.
const (
	maxAddressBytes = 4 << 10
	maxAddressDepth = 4
)

// CheckAddress refuses a shipping address that is no JSON object, or beyond its bounds. None and null are fine.
func CheckAddress(address json.RawMessage) error {
	const field = "shipping_address"
	switch {
	case len(address) == 0 || string(address) == "null":
		return nil
	case address[0] != '{':
		return web.Refused(field, "not_an_object", "The shipping address must be a JSON object.")
	case len(address) > maxAddressBytes:
		return web.Refused(field, "too_large", fmt.Sprintf("It must have at most %d bytes.", maxAddressBytes))
	case web.Depth(address) > maxAddressDepth:
		return web.Refused(field, "too_deep", fmt.Sprintf("Its objects and lists must lie at most %d levels deep.", maxAddressDepth))
	}
	return nil
}

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
