package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

func (m *Module) recordRefund(ctx context.Context, by sender, cmd RecordRefund) error {
	_, err := m.changeAlone(ctx, by, cmd.OrderID, func(o State) (decision, error) { return decideRecordRefund(o, cmd) })
	return err
}
