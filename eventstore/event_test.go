package eventstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

func TestTypeOf(t *testing.T) {
	t.Parallel()
	type opened struct{}
	type forgotten struct{}
	eventstore.Register(map[string]opened{"box.opened": {}})
	require.Equal(t, "box.opened", eventstore.TypeOf(opened{}))
	require.PanicsWithValue(t, "event eventstore_test.opened is registered as box.opened and as box.open", func() {
		eventstore.Register(map[string]opened{"box.open": {}})
	})
	require.PanicsWithValue(t, "event eventstore_test.forgotten is not registered", func() { eventstore.TypeOf(forgotten{}) })
	require.PanicsWithValue(t, "event eventstore_test.forgotten is not registered", func() {
		eventstore.Subscribe[forgotten](nil, "nobody", nil)
	})
}
