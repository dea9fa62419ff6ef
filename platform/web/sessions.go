package web

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// GuestMinter makes the tokens of guests.
type GuestMinter interface {
	MintGuest(subject string, ttl time.Duration) (token string, expires time.Time, err error)
}

// Session is a guest's identity.
type Session struct {
	Token      string    `json:"token"`
	CustomerID uuid.UUID `json:"customer_id" format:"uuid"`
	ExpiresAt  time.Time `json:"expires_at"`
}

type sessions struct {
	minter GuestMinter
	ttl    time.Duration
}

// Sessions registers POST /v1/sessions, which creates a guest: a new customer with a token that is valid for ttl.
func (s *Server) Sessions(minter GuestMinter, ttl time.Duration) {
	s.Public.POST("/v1/sessions", sessions{minter, ttl}.open, Limit(Sessions))
}

// open makes a guest.
//
//	@Summary		Open a guest session
//	@Description	The token is for Authorize; its customer owns the carts and orders made with it.
//	@ID				openSession
//	@Tags			sessions
//	@Success		201	{object}	Session
//	@Failure		413	{object}	Problem
//	@Failure		415	{object}	Problem
//	@Router			/v1/sessions [post]
func (s sessions) open(c echo.Context) error {
	if _, err := jsonBytes(c); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	token, expires, err := s.minter.MintGuest(id.String(), s.ttl)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, Session{Token: token, CustomerID: id, ExpiresAt: Time(expires)})
}
