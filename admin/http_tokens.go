package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var (
	errNotRevocable = fault.New(fault.Invalid, "not_revocable", "Only the token of an operator can be revoked. To end those of customers, replace the key that signed them.")
	errTokenInvalid = fault.New(fault.Invalid, "token_invalid", "The token is not valid here, so there is nothing to revoke.")
)

type revokeRequest struct {
	Token string `json:"token" text:"own" validate:"required,visible,max=16384" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"` // the token of an operator, or its id (claim jti)
}

// RevokedToken is a revoked token on the wire.
type RevokedToken struct {
	ID        string    `json:"id" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	ExpiresAt time.Time `json:"expires_at"` // of the token; given its id, the latest possible time
}

// revokeToken revokes the token of an operator.
//
//	@Summary		Revoke the token of an operator
//	@Description	All replicas refuse it within about two seconds.
//	@ID				revokeToken
//	@Tags			operators
//	@Security		BearerAuth[admin]
//	@Param			body	body		revokeRequest	true	"The token, or its id"
//	@Success		200		{object}	RevokedToken
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"not_revocable, token_invalid"
//	@Router			/v1/admin/tokens/revoke [post]
func (m *Module) revokeToken(c echo.Context) error {
	r, err := web.Read[revokeRequest](c, web.Needs{})
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	id, until, err := m.Tokens.Revoke(ctx, r.Body.Token, r.Caller.Subject)
	if errors.Is(err, auth.ErrNotOperator) {
		return errNotRevocable.At("token")
	}
	if f, ok := fault.As(err); ok && f.Kind == fault.Unauthorized {
		return errTokenInvalid.Detailf("Nothing was revoked. %s", f.Detail).At("token")
	}
	if err != nil {
		return err
	}
	m.Log.InfoContext(ctx, "revoked a token", "id", id, "by", r.Caller.Subject)
	return c.JSON(http.StatusOK, RevokedToken{ID: id, ExpiresAt: web.Time(until)})
}
