package cart

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// SetQuantity changes a line for a caller in this process, exactly as the route does, and returns the new version of the cart.
func (m *Module) SetQuantity(ctx context.Context, caller web.Caller, w web.Write, cartID uuid.UUID, sku string, quantity int64) (version int64, err error) {
	cart, _, err := m.do(ctx, edit{cart: cartID, caller: caller, access: owns, write: w, command: setQuantity{SKU: sku, Quantity: quantity}})
	return cart.Version, err
}
