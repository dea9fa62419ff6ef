package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"shopping-cart/payment"
)

const (
	signatureHeader = "Simulator-Signature" // t=<unix seconds>,v1=<hex of HMAC-SHA256 over "<t>.<body>">
	tolerance       = 5 * time.Minute       // largest age of a signature, in either direction
)

var errSignature = errors.New("the signature is missing or wrong")

// event is the body of a webhook.
type event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Reference string    `json:"reference"`
	CreatedAt time.Time `json:"created_at"`
}

// sign returns the header for a body sent at a time.
func (s *Simulator) sign(at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(s.mac(t, body))
}

func (s *Simulator) mac(t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(s.Secret))
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Verify reads a webhook with a valid signature that is at most five minutes old or ahead.
func (s *Simulator) Verify(header http.Header, body []byte) (payment.Notification, error) {
	t, signature, err := parseSignature(header.Get(signatureHeader))
	if err != nil || s.Secret == "" || !hmac.Equal(signature, s.mac(t, body)) {
		return payment.Notification{}, errSignature
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return payment.Notification{}, errSignature
	}
	if age := s.now().Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return payment.Notification{}, fmt.Errorf("the signature is %s old", age.Round(time.Second))
	}
	var n event
	if err := json.Unmarshal(body, &n); err != nil {
		return payment.Notification{}, &payment.Unreadable{Reason: "it is not the JSON of an event"}
	}
	return payment.Notification{ID: n.ID, Type: n.Type, Reference: n.Reference}, nil
}

func parseSignature(header string) (t string, signature []byte, err error) {
	for _, part := range strings.Split(header, ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "t":
			t = value
		case "v1":
			if signature, err = hex.DecodeString(value); err != nil {
				return "", nil, err
			}
		}
	}
	return t, signature, nil
}
