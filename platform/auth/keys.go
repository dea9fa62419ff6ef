package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// key is a local key, with the id under which tokens name it.
type key struct {
	id     string
	secret []byte
}

// keyring holds the keys of one kind. The first one signs.
type keyring []key

func newKeyring(secrets ...string) (keys keyring) {
	for _, secret := range secrets {
		keys = append(keys, key{keyID(secret), []byte(secret)})
	}
	return keys
}

// keyID derives an id from a secret, so that every process computes the same one.
func keyID(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("id of this key"))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

func (r keyring) check() (err error) {
	for _, k := range r {
		if len(k.secret) < MinSecret {
			err = errors.Join(err, fmt.Errorf("a secret has %d bytes, at least %d are needed", len(k.secret), MinSecret))
		}
	}
	return err
}

func (r keyring) sign(w wire) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, w)
	token.Header["kid"] = r[0].id
	return token.SignedString(r[0].secret)
}

// find returns the key that a token names. A token that names none of the keys may be signed by any: a shop's own log-in knows no
// ids.
func (r keyring) find(token *jwt.Token) (any, error) {
	all := jwt.VerificationKeySet{}
	for _, k := range r {
		if k.id == token.Header["kid"] {
			return k.secret, nil
		}
		all.Keys = append(all.Keys, k.secret)
	}
	return all, nil
}
