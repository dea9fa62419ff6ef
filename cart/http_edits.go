package cart

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/web"
)

// answerEdit changes a cart by the command that parse makes of a request, and answers with the cart.
func answerEdit[T any](m *Module, c echo.Context, parse func(web.Request[T]) (command, error)) error {
	cart, err := readEdit(m, c, parse)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, cart)
}

func readEdit[T any](m *Module, c echo.Context, parse func(web.Request[T]) (command, error)) (edited, error) {
	var cmd command
	r, err := web.Read(c, m.visibleLast(c), func(r web.Request[T]) (err error) {
		cmd, err = parse(r)
		return err
	})
	if err != nil {
		return edited{}, err
	}
	return m.edit(c.Request().Context(), edit{cart: r.ID, caller: r.Caller, write: r.Write, command: cmd})
}

// visibleLast hides the cart from callers without access when the request is refused. The command checks the access of the others.
func (m *Module) visibleLast(c echo.Context) web.Needs {
	return web.Needs{VisibleLast: true, Visible: func(id uuid.UUID) error {
		_, err := m.load(c.Request().Context(), web.CallerOf(c), id)
		return err
	}}
}

// answer writes a cart after a command.
func answer(c echo.Context, status int, cart edited) error {
	web.Replayed(c, cart.replayed)
	web.ETag(c, cart.Version)
	return c.JSON(status, viewOf(cart.Stream))
}

// addItem adds a product to a cart.
//
//	@Summary		Add an item
//	@Description	Adds to the line of the SKU. A new line takes the current price.
//	@ID				addItem
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id				path		string		true	"Cart"	format(uuid)
//	@Param			body			body		itemRequest	true	"The product and the quantity to add"
//	@Success		200				{object}	View
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Failure		404				{object}	web.Problem	"not_found, unknown_product"
//	@Failure		409				{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure		412				{object}	web.Problem	"version_mismatch"
//	@Failure		422				{object}	web.Problem	"product_inactive, currency_mismatch with skus, too_many_lines, too_many_units with limit and, of a line, sku; amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/items [post]
func (m *Module) addItem(c echo.Context) error {
	return answerEdit(m, c, func(r web.Request[itemRequest]) (command, error) {
		return addItem{SKU: r.Body.SKU, Quantity: *r.Body.Quantity}, nil
	})
}

// setQuantity changes a line.
//
//	@Summary	Set the quantity of a line
//	@Description	Replaces the quantity. The line keeps its price.
//	@ID			changeQuantity
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string			true	"Cart"	format(uuid)
//	@Param		sku				path		string			true	"SKU, percent-encoded"
//	@Param		body			body		quantityRequest	true	"The new quantity"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	404				{object}	web.Problem	"not_found, no_such_line"
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"too_many_units, amount_too_large, validation_failed"
//	@Router		/v1/carts/{id}/items/{sku} [patch]
func (m *Module) setQuantity(c echo.Context) error {
	return answerEdit(m, c, func(r web.Request[quantityRequest]) (command, error) {
		return setQuantity{SKU: r.SKU, Quantity: *r.Body.Quantity}, nil
	})
}

// removeItem removes a line.
//
//	@Summary	Remove a line
//	@Description	Removes the line with its whole quantity.
//	@ID			removeItem
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Param		sku				path		string	true	"SKU, percent-encoded"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	404				{object}	web.Problem	"not_found, no_such_line"
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"validation_failed, idempotency_key_reused"
//	@Router		/v1/carts/{id}/items/{sku} [delete]
func (m *Module) removeItem(c echo.Context) error {
	return answerEdit(m, c, func(r web.Request[struct{}]) (command, error) { return removeItem{SKU: r.SKU}, nil })
}

// clearItems removes all lines.
//
//	@Summary	Remove all lines
//	@Description	The cart stays open and keeps its adjustments, which become stale.
//	@ID			clearItems
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"idempotency_key_reused"
//	@Router		/v1/carts/{id}/items [delete]
func (m *Module) clearItems(c echo.Context) error {
	return answerEdit(m, c, func(web.Request[struct{}]) (command, error) { return clearItems{}, nil })
}

// reprice sets all lines to current prices.
//
//	@Summary		Set all lines to current prices
//	@Description	Lines of products that are not sold at the moment keep their price. If a price changes, the adjustments become stale. The request is refused if a product is now sold in another currency. The error names its lines: remove them.
//	@ID				repriceCart
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id				path		string	true	"Cart"	format(uuid)
//	@Success		200				{object}	View
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Failure		409				{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure		412				{object}	web.Problem	"version_mismatch"
//	@Failure		422				{object}	web.Problem	"currency_mismatch with lines and skus, amount_too_large, idempotency_key_reused"
//	@Router			/v1/carts/{id}/reprice [post]
func (m *Module) reprice(c echo.Context) error {
	return answerEdit(m, c, func(web.Request[struct{}]) (command, error) { return reprice{}, nil })
}

// setAdjustments replaces the adjustments of the shop's rules.
//
//	@Summary		Set tax, shipping and discounts
//	@Description	Replaces the list. It is valid for the current currency, lines, quantities and prices of the cart. When one of these changes, `adjustments_stale` becomes true and the checkout is refused until the list is set again. Send the version that you priced in `If-Match`. The scope may also read the cart.
//	@ID				setAdjustments
//	@Tags			carts
//	@Security		BearerAuth[carts:price]
//	@Param			id						path		string				true	"Cart"	format(uuid)
//	@Param			body					body		adjustmentsRequest	true	"Signed amounts in the cart's currency"
//	@Success		200						{object}	View
//	@Header			200						{string}	ETag	"The version, quoted"
//	@Failure		403	{object}	web.Problem
//	@Failure		409						{object}	web.Problem	"cart_closed, with checkout_id; cart_worn_out"
//	@Failure		412						{object}	web.Problem	"version_mismatch"
//	@Failure		422						{object}	web.Problem	"negative_total, currency_mismatch, amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/adjustments [put]
func (m *Module) setAdjustments(c echo.Context) error {
	return answerEdit(m, c, func(r web.Request[adjustmentsRequest]) (command, error) { return r.Body.command() })
}

func (r adjustmentsRequest) command() (setAdjustments, error) {
	cmd := setAdjustments{}
	for i, a := range r.Adjustments {
		amount, err := a.Amount.checked(fmt.Sprintf("adjustments[%d].amount", i))
		if err != nil {
			return setAdjustments{}, err
		}
		cmd.Adjustments = append(cmd.Adjustments, adjustment{Code: a.Code, Label: a.Label, Amount: amount})
	}
	return cmd, nil
}

// abandon abandons a cart.
//
//	@Summary	Abandon a cart
//	@Description	Closes the cart for good. A cart that is idle for longer than CART_TTL is abandoned too.
//	@ID			abandonCart
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path	string	true	"Cart"	format(uuid)
//	@Success	204
//	@Failure	409			{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure	412			{object}	web.Problem	"version_mismatch"
//	@Failure	422			{object}	web.Problem	"idempotency_key_reused"
//	@Router		/v1/carts/{id} [delete]
func (m *Module) abandon(c echo.Context) error {
	cart, err := readEdit(m, c, func(web.Request[struct{}]) (command, error) { return abandon{}, nil })
	if err != nil {
		return err
	}
	web.Replayed(c, cart.replayed)
	web.ETag(c, cart.Version)
	return c.NoContent(http.StatusNoContent)
}

// merge merges a guest's cart into one of the caller's.
//
//	@Summary		Merge a guest's cart into mine
//	@Description	Adds the quantities. For a product in both carts, the price of the target wins. The target keeps the adjustments of both carts, which become stale if the merge changes it. The guest's token may have expired up to 30 days ago.
//	@ID				mergeCarts
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id					path		string			true	"The target cart"	format(uuid)
//	@Param			body				body		mergeRequest	true	"The guest's cart and token"
//	@Success		200					{object}	View
//	@Header			200					{string}	ETag	"The version, quoted"
//	@Failure		403					{object}	web.Problem	"not_your_guest, not_a_guest"
//	@Failure		409					{object}	web.Problem	"cart_closed: one of the two carts; cart_worn_out: this cart"
//	@Failure		412					{object}	web.Problem	"version_mismatch"
//	@Failure		422					{object}	web.Problem	"same_cart, currency_mismatch, too_many_lines, too_many_units, too_many_adjustments, amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/merge [post]
func (m *Module) merge(c echo.Context) error {
	guest := "" // a bad token names no guest, and owns no cart
	r, err := web.Read(c, m.visibleLast(c), func(r web.Request[mergeRequest]) (err error) {
		if r.Body.SourceCartID == r.ID {
			return errIntoItself.At("source_cart_id")
		}
		if guest, err = m.VerifyGuest(r.Body.SourceToken); errors.Is(err, auth.ErrNotGuest) {
			return errNotGuest.At("source_token")
		}
		return nil
	})
	if err != nil {
		return err
	}
	merging := m.mergeCommand(r.Caller, guest, r.Write, merge{TargetID: r.ID, SourceID: r.Body.SourceCartID})
	cart, err := m.result(c.Request().Context(), eventstore.Chain(c.Request().Context(), eventstore.Link{Store: m.store, Command: merging}))
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, cart)
}

func (m *Module) mergeCommand(caller web.Caller, guest string, write web.Write, c merge) eventstore.Command {
	cmd := commandOf(write, c)
	cmd.Streams = []eventstore.Ref{carts.Ref(c.TargetID), carts.Ref(c.SourceID)}
	cmd.Decide = func(tx *eventstore.Tx) error {
		into := carts.Get(tx, c.TargetID)
		version, target, source := into.Version, into.State, carts.Get(tx, c.SourceID).State
		switch {
		case !isOwner(caller, target):
			return errNotFound
		case guest == "" || source.CustomerID != guest:
			return errNotYourGuest
		}
		if err := tx.ExpectVersion(c.TargetID, write.IfMatch); err != nil {
			return target.explainMismatch(err)
		}
		in, away, err := decideMerge(target, source, c)
		if err != nil || in == nil {
			return err
		}
		if err := cmp.Or(checkWear(version, m.MaxEvents, *in), m.Limits.check(target, caller.Guest, tx.Now(), *in)); err != nil {
			return err
		}
		carts.Append(tx, c.TargetID, *in)
		carts.Append(tx, c.SourceID, *away)
		return nil
	}
	return cmd
}
