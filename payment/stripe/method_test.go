package stripe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAcceptsPaymentMethod(t *testing.T) {
	t.Parallel()
	p := New(Config{SecretKey: "sk_test_1"})
	for _, token := range []string{"pm_card_visa", "pm_1MqLiJLkdIwHu7ixUEgbFdYE", "tok_visa", "card_1MqLiJ", "src_1MqLiJ"} {
		require.True(t, p.AcceptsPaymentMethod(token), token)
	}
	for _, token := range []string{"", "pm_", "sim_ok", "pm card", "4242424242424242", "pm_4242 4242", "cus_1", "pi_1", "pm_a\n"} {
		require.False(t, p.AcceptsPaymentMethod(token), token)
	}
}
