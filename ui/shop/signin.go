package shop

import (
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// customers is the prefix of the ids of the shop's customers, so that nobody can sign in as a customer of another log-in.
const customers = "shop:"

type signInRequest struct {
	Name string `json:"name" validate:"required,visible,max=40"`
}

// SignedIn is the response of the log-in.
type SignedIn struct {
	Token      string    `json:"token"`
	CustomerID string    `json:"customer_id"`
	Name       string    `json:"name"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// signIn replaces the log-in of a real shop: it accepts any name, and mints a customer's token as a real one would after a
// password. The token has no scope.
func (s *Shop) signIn(c echo.Context) error {
	body, err := web.Body[signInRequest](c)
	if err != nil {
		return err
	}
	name := strings.Join(strings.Fields(body.Name), " ")
	if !nameable(name) {
		return web.Refused("name", "invalid", "It must be a name of printable characters.")
	}
	id := customers + strings.ToLower(name)
	token, expires, err := s.minter.Mint(id, nil, s.ttl)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, SignedIn{Token: token, CustomerID: id, Name: name, ExpiresAt: web.Time(expires)})
}

func nameable(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
