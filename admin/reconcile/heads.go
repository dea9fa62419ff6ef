package reconcile

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"shopping-cart/admin"
	"shopping-cart/eventstore"
)

// LogHeads holds the heads of the hash chains of all logs at one time, signed. Whoever keeps it elsewhere can show later that the logs
// still hold what they held then.
type LogHeads struct {
	Data      []LogHead `json:"data" validate:"required,max=100,dive"`
	PublicKey []byte    `json:"public_key" validate:"required,len=32" swaggertype:"string" format:"byte"` // Ed25519, in Base64; derived from AUTH_SECRET
	Signature []byte    `json:"signature" validate:"required,len=64" swaggertype:"string" format:"byte"`  // of the heads, in Base64
}

// LogHead is the head of the hash chain of a log. It stands for all events up to its position. Hashes are in Base64, since the digits of
// hexadecimal ones may look like a card number.
type LogHead struct {
	Module   string    `json:"module" validate:"required,visible,max=64" enums:"cart,order,payment,saga,audit"`
	Position int64     `json:"position" validate:"min=1"` // of the last sealed event
	Hash     []byte    `json:"hash" validate:"required,len=32" swaggertype:"string" format:"byte" example:"VZMqva3QaPCkNChttlnzgATngYMZb8y+MttTRdYdKrg="`
	At       time.Time `json:"at"` // when it was sealed
}

// signed returns the text that the signature covers.
func (h LogHeads) signed() []byte {
	var text strings.Builder
	text.WriteString("shopping-cart log heads\n")
	for _, one := range h.Data {
		hash := base64.StdEncoding.EncodeToString(one.Hash)
		fmt.Fprintf(&text, "%s %d %s %s\n", one.Module, one.Position, hash, one.At.UTC().Format(time.RFC3339Nano))
	}
	return []byte(text.String())
}

// Signer signs heads. Its keys are derived from the secrets of tokens, the current one first. So heads that were signed before a
// secret was replaced stay valid while the old secret is named too.
type Signer []ed25519.PrivateKey

// NewSigner returns a signer with a key for each secret.
func NewSigner(secrets ...string) (Signer, error) {
	var s Signer
	for _, secret := range secrets {
		seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "shopping-cart log heads", ed25519.SeedSize)
		if err != nil {
			return nil, fmt.Errorf("derive the key of the log heads: %w", err)
		}
		s = append(s, ed25519.NewKeyFromSeed(seed))
	}
	return s, nil
}

func publicKey(key ed25519.PrivateKey) []byte { return key[ed25519.SeedSize:] }

// Sign adds the signature.
func (s Signer) Sign(h *LogHeads) {
	h.PublicKey, h.Signature = publicKey(s[0]), ed25519.Sign(s[0], h.signed())
}

// check returns the finding about a wrong signature, if there is one.
func (s Signer) check(h LogHeads) []Finding {
	key := base64.StdEncoding.EncodeToString(h.PublicKey)
	switch known := slices.ContainsFunc(s, func(k ed25519.PrivateKey) bool { return bytes.Equal(publicKey(k), h.PublicKey) }); {
	case !ed25519.Verify(h.PublicKey, h.signed(), h.Signature):
		return []Finding{{
			ID: "heads_forged:" + key, Check: "heads_forged", Streams: []StreamRef{},
			Detail: "The signature of these heads is wrong.", Remedy: "The file was changed after its export. Use an unchanged copy of it.",
		}}
	case !known:
		return []Finding{{
			ID: "heads_unknown_key:" + key, Check: "heads_unknown_key", Streams: []StreamRef{},
			Detail: "These heads are signed by a key that does not come from AUTH_SECRET.",
			Remedy: "If AUTH_SECRET was replaced since the export, name the old secret beside the new one and check again. Otherwise the file is not from this shop.",
		}}
	}
	return nil
}

// logHeads returns the current heads. All modules must answer. A log without a seal has no head.
func (m *Module) logHeads(ctx context.Context) (LogHeads, error) {
	h := LogHeads{Data: []LogHead{}}
	heads, err := admin.AskAll(ctx, m.Stores, func(ctx context.Context, of admin.Store) (eventstore.Head, error) { return of.Head(ctx) })
	if err != nil {
		return h, err
	}
	for i, one := range heads {
		if len(one.Hash) > 0 {
			h.Data = append(h.Data, LogHead{m.Stores[i].Name, one.Position, one.Hash, one.At.UTC()})
		}
	}
	m.Signer.Sign(&h)
	return h, nil
}

// compareHeads compares the logs with heads that were exported before.
func (m *Module) compareHeads(ctx context.Context, kept LogHeads) (Reconciliation, error) {
	r := Reconciliation{Data: append([]Finding{}, m.Signer.check(kept)...), Checked: Checked{Heads: len(kept.Data)}}
	for _, one := range kept.Data {
		of := m.Stores[slices.IndexFunc(m.Stores, func(s admin.Store) bool { return s.Name == one.Module })]
		is, known, err := of.HeadAt(ctx, one.Position)
		switch {
		case err != nil:
			return r, err
		case !known:
			r.Data = append(r.Data, headFinding("head_missing", one, "No seal of %[1]s ends at position %[2]d any more.",
				"The log ended earlier or was sealed anew. Was the database restored to an older moment, or did it fail over to a standby that was behind? "+
					"If not, its history was rewritten: compare it with a backup."))
		case !bytes.Equal(is.Hash, one.Hash):
			r.Data = append(r.Data, headFinding("head_differs", one, "The log of %[1]s up to position %[2]d is not the one that was exported at %[3]s.",
				"Events were changed and sealed anew. Keep a copy of the database as evidence, and compare it with a backup."))
		}
	}
	return r, nil
}

func headFinding(check string, h LogHead, detail, remedy string) Finding {
	return Finding{
		ID: fmt.Sprintf("%s:%s:%d", check, h.Module, h.Position), Check: check, Streams: []StreamRef{}, Remedy: remedy,
		Detail: fmt.Sprintf(detail, h.Module, h.Position, h.At.UTC().Format(time.RFC3339)),
	}
}
