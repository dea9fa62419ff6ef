package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var (
	errUnauthorized = fault.New(fault.Unauthorized, "unauthorized", "An access token is needed: Authorization: Bearer <token>.")
	errForbidden    = fault.New(fault.Forbidden, "forbidden", "This access token does not allow that.")
)

// Caller is the sender of a request. Subject, Scopes and Guest come from the token; on a public route they are empty.
type Caller struct {
	Subject string
	Scopes  []string
	Guest   bool       // the token was made by POST /v1/sessions
	Address netip.Addr // of the client; see Config.TrustedProxies

	operator bool // the caller has a scope of the route
}

// Operator reports whether the caller may use the resources of every customer by this route.
func (c Caller) Operator() bool { return c.operator || c.Is(ScopeAdmin) }

func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := s.identify(c)
		if errors.Is(err, errUnauthorized) {
			err = cmp.Or(s.take(c, s.limiters[BadTokens]), err)
		}
		if err != nil {
			return err
		}
		return next(c)
	}
}

// identify sets the caller from the token.
func (s *Server) identify(c echo.Context) error {
	values := c.Request().Header.Values(echo.HeaderAuthorization)
	token, ok := bearer(values)
	switch {
	case len(values) > 0 && !ok:
		return errUnauthorized.Detailf("The Authorization header holds no access token. It must be one header: Authorization: Bearer <token>.")
	case !ok || s.cfg.Auth == nil:
		return errUnauthorized
	}
	caller, err := s.cfg.Auth.Authenticate(c.Request().Context(), token)
	if err != nil {
		if f, ok := fault.As(err); ok && f.Kind == fault.Unavailable {
			return err
		}
		return invalidToken(c, err)
	}
	if !Plain(caller.Subject) { // it is stored as the actor and as the customer
		return fmt.Errorf("%w (its subject holds control characters)", errUnauthorized)
	}
	state := stateOf(c)
	caller.Address = state.caller.Address
	state.caller = caller
	return nil
}

// invalidToken refuses a token and says why, as RFC 6750 defines it. A client can open a new session for an expired token and must
// not do so for a malformed one. The sentence is that of the authenticator's refusal.
func invalidToken(c echo.Context, err error) error {
	refusal := errUnauthorized.Detailf("The access token is not valid.")
	if f, ok := fault.As(err); ok && f.Kind == fault.Unauthorized {
		refusal.Detail = f.Detail
	}
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, refusal.Detail))
	return fmt.Errorf("%w (%w)", refusal, err)
}

// bearer returns the token of the header. The scheme is case-insensitive (RFC 9110). Two headers count as none, since the
// choice would be a guess.
func bearer(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// authorize makes callers with one of the scopes operators. It refuses the others unless customers may call too.
func authorize(a Access) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			caller := &stateOf(c).caller
			caller.operator = slices.ContainsFunc(a.Scopes, caller.Is)
			if !caller.operator && !a.Customers {
				return errForbidden.Detailf("This access token does not allow that. It needs the scope %s.", strings.Join(a.Scopes, " or "))
			}
			return next(c)
		}
	}
}
