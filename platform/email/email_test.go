package email_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/platform/email"
)

func TestFlaw(t *testing.T) {
	t.Parallel()
	local, domain := strings.Repeat("a", 64), strings.Repeat("b", 60)+"."+strings.Repeat("c", 60)+"."+strings.Repeat("d", 60)+".ee"
	for _, address := range []string{
		"ada@example.com", "o'hara+tag@mail.example.co.uk", "MÜLLER@example.com", "zoë@bücher.example", "δοκιμή@παράδειγμα.δοκιμή",
		"用户@例子.公司", "straße@example.com", "zoe\u0308@example.com", local + "@" + domain, local + "@" + domain + "eeee",
		"a@" + strings.Repeat("b", 63) + ".example", "a@" + strings.Repeat("ü", 40) + ".example",
	} {
		t.Run("Accepts "+address, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, email.Flaw(address))
		})
	}

	const unseen, notOne = "It must not contain spaces or invisible characters. ", "It must be an e-mail address."
	for address, want := range map[string]string{
		"":                                              notOne,
		"ada":                                           notOne,
		"ada@":                                          notOne,
		"@example.com":                                  notOne,
		"Ada<ada@example.com>":                          notOne,
		"ada@@example.com":                              notOne,
		" ada@example.com":                              unseen + "Character 1 is U+0020.",
		"ada@example.com ":                              unseen + "Character 16 is U+0020.",
		`"a b"@example.com`:                             unseen + "Character 3 is U+0020.",
		"ada@example.com\n":                             unseen + "Character 16 is U+000A.",
		"a\u0085da@example.com":                         unseen + "Character 2 is U+0085.",
		"ada\u00a0@example.com":                         unseen + "Character 4 is U+00A0.",
		"ada\u00ad@example.com":                         unseen + "Character 4 is U+00AD.",
		"ada\u034f@example.com":                         unseen + "Character 4 is U+034F.",
		"ada\u061c@example.com":                         unseen + "Character 4 is U+061C.",
		"ada\u115f@example.com":                         unseen + "Character 4 is U+115F.",
		"ada\u180b@example.com":                         unseen + "Character 4 is U+180B.",
		"\u2009eve@example.com":                         unseen + "Character 1 is U+2009.",
		"zoë\u200b@example.com":                         unseen + "Character 4 is U+200B.",
		"ada\u200d@example.com":                         unseen + "Character 4 is U+200D.",
		"ada@example.com\u2028":                         unseen + "Character 16 is U+2028.",
		"ada@example.com\u2029":                         unseen + "Character 16 is U+2029.",
		"bob@example.com\u202e":                         unseen + "Character 16 is U+202E.",
		"ada\u2060@example.com":                         unseen + "Character 4 is U+2060.",
		"ada\u2800@example.com":                         unseen + "Character 4 is U+2800.",
		"ada\u3000@example.com":                         unseen + "Character 4 is U+3000.",
		"ada\u3164@example.com":                         unseen + "Character 4 is U+3164.",
		"ada@exam\ue000ple.com":                         unseen + "Character 9 is U+E000.",
		"ada@example\ufe0f.com":                         unseen + "Character 12 is U+FE0F.",
		"\ufeffada@example.com":                         unseen + "Character 1 is U+FEFF.",
		"ada\uffa0@example.com":                         unseen + "Character 4 is U+FFA0.",
		"ada\U000e0041@example.com":                     unseen + "Character 4 is U+E0041.",
		"ada\U000e0100@example.com":                     unseen + "Character 4 is U+E0100.",
		"a@" + strings.Repeat("b", 64) + ".example":     "Each label of the domain must be at most 63 bytes long, in its ASCII form.",
		"a@example." + strings.Repeat("b", 64):          "Each label of the domain must be at most 63 bytes long, in its ASCII form.",
		"a@" + strings.Repeat("ü", 60) + ".example":     "Each label of the domain must be at most 63 bytes long, in its ASCII form.",
		"a@xn--" + strings.Repeat("b", 60) + ".example": "Each label of the domain must be at most 63 bytes long, in its ASCII form.",
		local + "a@example.com":                         "The part before the @ must be at most 64 bytes long.",
		strings.Repeat("ü", 33) + "@b.c":                "The part before the @ must be at most 64 bytes long.",
		"a@" + strings.Repeat("b.", 128):                "The part after the @ must be at most 255 bytes long.",
		local + "@" + domain + "eeeee":                  "It must be at most 254 bytes long.",
	} {
		t.Run("Refuses "+address, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, email.Flaw(address))
		})
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for folded, spellings := range map[string][]string{
		"ada@example.com":     {"ada@example.com", "ADA@Example.COM", "ａｄａ＠ｅｘａｍｐｌｅ.com", " ada@example.com\u00a0", "\ufeffada\u200b@exam\u00adple.com\u202e", "a\u3164da@example.com"},
		"müller@example.com":  {"MÜLLER@example.com", "Mu\u0308ller@example.com", "MU\u0308LLER@example.com", "mu\u200b\u0308ller@example.com"},
		"strasse@example.com": {"straße@example.com", "STRASSE@example.com", "STRAẞE@example.com"},
		"zoë@bücher.example":  {"ZOË@BÜCHER.EXAMPLE"},
		"οδυσσευσ@example.gr": {"ΟΔΥΣΣΕΥΣ@example.gr", "οδυσσευς@example.gr"},
		"":                    {"", "\u200b", "\ufe0f\u2028"},
	} {
		for _, spelling := range spellings {
			require.Equal(t, folded, email.Fold(spelling), "%+q", spelling)
		}
	}

	t.Run("KeepsAddressesApart", func(t *testing.T) {
		t.Parallel()
		require.NotEqual(t, email.Fold("zoe@example.com"), email.Fold("zoë@example.com"))
		require.NotEqual(t, email.Fold("a.da@example.com"), email.Fold("ada@example.com"))
	})
	t.Run("OfAFoldedOneIsTheSame", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			folded := email.Fold(rapid.String().Draw(t, "text"))
			require.Equal(t, folded, email.Fold(folded))
		})
	})
	t.Run("LetterCaseMakesNoDifferenceInAnyScript", func(t *testing.T) {
		t.Parallel()
		for r := range unicode.MaxRune {
			folded := email.Fold(string(r))
			if other := unicode.SimpleFold(r); folded != email.Fold(string(other)) || folded != email.Fold(folded) {
				t.Errorf("%U and %U fold to %+q and %+q", r, other, folded, email.Fold(string(other)))
			}
		}
	})
	t.Run("FitsAnIndex", func(t *testing.T) {
		t.Parallel()
		require.LessOrEqual(t, len(email.Fold(strings.Repeat("\ufdfa", 254))), 1000)
	})
}
