package web

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHasVisible(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", " a ", "0", "-", "é", "\u200bא", "猫", "😀", "\n.\n"} {
		assert.True(t, hasVisible(text), "%+q", text)
	}
	for _, text := range []string{"", " ", " \t\r\n", "\u00a0", "\u200b", "\u202e", "\u2800", "\u3000", "\u3164", "\ufe0f", "\ufeff", "\U000e0041"} {
		assert.False(t, hasVisible(text), "%+q", text)
	}
}
