package auth

import (
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"

	"shopping-cart/platform/fault"
)

// ErrUnauthorized is the fault for every invalid token. Its sentence says how the caller can fix it. The exact reason stays in
// the error chain, for the log.
var ErrUnauthorized = fault.New(fault.Unauthorized, "unauthorized", "The access token is not valid: its format, signature or claims are wrong.")

// errKeysAway is the fault for a token whose issuer does not answer, before its keys were ever fetched.
var errKeysAway = fault.New(fault.Unavailable, "issuer_unavailable", "The keys of the service that issued the access token cannot be fetched at the moment. Try again shortly.")

// ErrNotOperator is the error for a token that cannot be revoked, since it is not an operator's.
var ErrNotOperator = errors.New("the token is not an operator's")

// ErrNotGuest is the error for a valid token that is not a guest's.
var ErrNotGuest = errors.New("the token is not a guest's")

var (
	errExpired     = ErrUnauthorized.Detailf("The access token has expired. Get a new one.")
	errTooEarly    = ErrUnauthorized.Detailf("The access token is not valid yet.")
	errAudience    = ErrUnauthorized.Detailf("The access token is meant for another service.")
	errTooLong     = ErrUnauthorized.Detailf("The access token is longer than %d bytes.", maxToken)
	errCustomerKey = ErrUnauthorized.Detailf("The access token has a scope of operators, and the key of customers signed it.")
	errTooDurable  = ErrUnauthorized.Detailf("The access token lasts longer than the %.0f hours that operators' tokens may last.", OperatorTTL.Hours())
	errIssuer      = ErrUnauthorized.Detailf("The access token comes from an issuer that is not trusted here, or has an algorithm that is not.")
	errNoSubject   = fmt.Errorf("%w (the subject is empty, too long, or holds control characters)", ErrUnauthorized)
	errRevoked     = ErrUnauthorized.Detailf("The access token was revoked.")
)

// refusalOf returns the fault for an error of the JWT library. It checks for a wrong signature first, since the claims of such a
// token mean nothing.
func refusalOf(err error) *fault.Fault {
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return ErrUnauthorized
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return errTooEarly
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return errAudience
	}
	return ErrUnauthorized
}
