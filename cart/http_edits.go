package cart

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// addItem adds a product to a cart.
//
//	@Summary		Add an item
//	@Description	Adds to the line of the SKU. A new line takes today's price.
//	@ID				addItem
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id				path		string		true	"Cart"	format(uuid)
//	@Param			body			body		itemRequest	true	"What, and how many"
//	@Param			Idempotency-Key	header		string		false	"The same key again is answered, not done again"
//	@Param			If-Match		header		string		false	"Only if the cart is at this version"
//	@Success		200				{object}	View
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Failure		400,401,413,415	{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found, unknown_product"
//	@Failure		409				{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure		412				{object}	web.Problem	"version_mismatch"
//	@Failure		422				{object}	web.Problem	"product_inactive, currency_mismatch with skus, too_many_lines, amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/items [post]
func (m *Module) addItem(c echo.Context) error {
	return answerEdit(m, c, owns, func(r web.Request[itemRequest]) (command, error) {
		return addItem{SKU: r.Body.SKU, Quantity: *r.Body.Quantity}, nil
	})
}

// setQuantity changes a line.
//
//	@Summary	Set the quantity of a line
//	@Description	To the quantity named, whatever it was. The line keeps its price.
//	@ID			changeQuantity
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string			true	"Cart"	format(uuid)
//	@Param		sku				path		string			true	"SKU, percent-encoded"
//	@Param		body			body		quantityRequest	true	"How many it shall be"
//	@Param		Idempotency-Key	header		string			false	"The same key again is answered, not done again"
//	@Param		If-Match		header		string			false	"Only if the cart is at this version"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	400,401,413,415	{object}	web.Problem
//	@Failure	404				{object}	web.Problem	"not_found, no_such_line"
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"amount_too_large, validation_failed"
//	@Router		/v1/carts/{id}/items/{sku} [patch]
func (m *Module) setQuantity(c echo.Context) error {
	return answerEdit(m, c, owns, func(r web.Request[quantityRequest]) (command, error) {
		return setQuantity{SKU: r.SKU, Quantity: *r.Body.Quantity}, nil
	})
}

// removeItem removes a line.
//
//	@Summary	Remove a line
//	@Description	The whole line, whatever its quantity.
//	@ID			removeItem
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Param		sku				path		string	true	"SKU, percent-encoded"
//	@Param		Idempotency-Key	header		string	false	"The same key again is answered, not done again"
//	@Param		If-Match		header		string	false	"Only if the cart is at this version"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	400,401			{object}	web.Problem
//	@Failure	404				{object}	web.Problem	"not_found, no_such_line"
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"validation_failed, idempotency_key_reused"
//	@Router		/v1/carts/{id}/items/{sku} [delete]
func (m *Module) removeItem(c echo.Context) error {
	return answerEdit(m, c, owns, func(r web.Request[any]) (command, error) { return removeItem{SKU: r.SKU}, nil })
}

// clearItems removes all lines.
//
//	@Summary	Remove all lines
//	@Description	The cart stays open, with its adjustments, which are stale then.
//	@ID			clearItems
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Param		Idempotency-Key	header		string	false	"The same key again is answered, not done again"
//	@Param		If-Match		header		string	false	"Only if the cart is at this version"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Failure	400,401,404		{object}	web.Problem
//	@Failure	409				{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure	412				{object}	web.Problem	"version_mismatch"
//	@Failure	422				{object}	web.Problem	"idempotency_key_reused"
//	@Router		/v1/carts/{id}/items [delete]
func (m *Module) clearItems(c echo.Context) error {
	return answerEdit(m, c, owns, func(web.Request[any]) (command, error) { return clearItems{}, nil })
}

// reprice sets all lines to current prices.
//
//	@Summary		Take today's prices
//	@Description	Lines of products that are not sold at the moment keep their price. Where a price changes, the adjustments are stale. A line whose product is now sold in another currency is refused by name: remove it.
//	@ID				repriceCart
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id				path		string	true	"Cart"	format(uuid)
//	@Param			Idempotency-Key	header		string	false	"The same key again is answered, not done again"
//	@Param			If-Match		header		string	false	"Only if the cart is at this version"
//	@Success		200				{object}	View
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Failure		400,401,404		{object}	web.Problem
//	@Failure		409				{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure		412				{object}	web.Problem	"version_mismatch"
//	@Failure		422				{object}	web.Problem	"currency_mismatch with lines and skus, amount_too_large, idempotency_key_reused"
//	@Router			/v1/carts/{id}/reprice [post]
func (m *Module) reprice(c echo.Context) error {
	return answerEdit(m, c, owns, func(web.Request[any]) (command, error) { return reprice{}, nil })
}

// setAdjustments replaces the adjustments of the shop's rules.
//
//	@Summary		Set tax, shipping and discounts
//	@Description	Replaces the list, which holds for the currency, lines, quantities and prices that the cart has at that moment. When any of them changes, `adjustments_stale` is true and the checkout is refused until the list is set again; name the version that was priced in If-Match. Scope `pricing` or `admin`, which may also read the cart.
//	@ID				setAdjustments
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id						path		string				true	"Cart"	format(uuid)
//	@Param			body					body		adjustmentsRequest	true	"Signed amounts in the cart's currency"
//	@Param			Idempotency-Key			header		string				false	"The same key again is answered, not done again"
//	@Param			If-Match				header		string				false	"Only if the cart is at this version"
//	@Success		200						{object}	View
//	@Header			200						{string}	ETag	"The version, quoted"
//	@Failure		400,401,403,404,413,415	{object}	web.Problem
//	@Failure		409						{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure		412						{object}	web.Problem	"version_mismatch"
//	@Failure		422						{object}	web.Problem	"negative_total, currency_mismatch, amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/adjustments [put]
func (m *Module) setAdjustments(c echo.Context) error {
	return answerEdit(m, c, adjusts, func(r web.Request[adjustmentsRequest]) (command, error) { return r.Body.command() })
}

func (r adjustmentsRequest) command() (setAdjustments, error) {
	cmd := setAdjustments{}
	for i, a := range r.Adjustments {
		amount, err := a.Amount.within(fmt.Sprintf("adjustments[%d].amount", i))
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
//	@Description	It is closed for good. Carts that nobody touches for CART_TTL go the same way.
//	@ID			abandonCart
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path	string	true	"Cart"	format(uuid)
//	@Param		Idempotency-Key	header	string	false	"The same key again is answered, not done again"
//	@Param		If-Match		header	string	false	"Only if the cart is at this version"
//	@Success	204
//	@Failure	400,401,404	{object}	web.Problem
//	@Failure	409			{object}	web.Problem	"cart_closed, with checkout_id"
//	@Failure	412			{object}	web.Problem	"version_mismatch"
//	@Failure	422			{object}	web.Problem	"idempotency_key_reused"
//	@Router		/v1/carts/{id} [delete]
func (m *Module) abandon(c echo.Context) error {
	cart, receipt, err := doEdit(m, c, owns, func(web.Request[any]) (command, error) { return abandon{}, nil })
	if err != nil {
		return err
	}
	web.Replayed(c, receipt.Replayed)
	web.ETag(c, cart.Version)
	return c.NoContent(http.StatusNoContent)
}

// merge merges a guest's cart into one of the caller's.
//
//	@Summary		Merge a guest's cart into mine
//	@Description	Quantities are added, and my price wins. The adjustments of both carts are kept, and are stale where the merge changed something. The guest's token may be 30 days past its end.
//	@ID				mergeCarts
//	@Tags			carts
//	@Security		BearerAuth
//	@Param			id					path		string			true	"The cart that stays"	format(uuid)
//	@Param			body				body		mergeRequest	true	"The guest's cart, and the guest's token"
//	@Param			Idempotency-Key		header		string			false	"The same key again is answered, not done again"
//	@Param			If-Match			header		string			false	"Only if the cart that stays is at this version"
//	@Success		200					{object}	View
//	@Header			200					{string}	ETag	"The version, quoted"
//	@Failure		400,401,404,413,415	{object}	web.Problem
//	@Failure		403					{object}	web.Problem	"not_your_guest"
//	@Failure		409					{object}	web.Problem	"cart_closed: either of the two"
//	@Failure		412					{object}	web.Problem	"version_mismatch"
//	@Failure		422					{object}	web.Problem	"same_cart, currency_mismatch, too_many_lines, too_many_adjustments, amount_too_large, validation_failed"
//	@Router			/v1/carts/{id}/merge [post]
func (m *Module) merge(c echo.Context) error {
	r, err := web.Read(c, m.visibleLast(c, owns), func(r web.Request[mergeRequest]) error {
		if r.Body.SourceCartID == r.ID {
			return errIntoItself.At("source_cart_id")
		}
		return nil
	})
	if err != nil {
		return err
	}
	guest, _ := m.VerifyGuest(r.Body.SourceToken) // a bad token names no guest, and owns no cart
	receipt, err := m.store.Do(c.Request().Context(), mergeCommand(r.Caller, guest, r.Write, merge{TargetID: r.ID, SourceID: r.Body.SourceCartID}))
	if err != nil {
		return err
	}
	cart, err := carts.Result(c.Request().Context(), m.store, receipt)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, cart, receipt)
}

func mergeCommand(caller web.Caller, guest string, write web.Write, c merge) eventstore.Command {
	cmd := commandOf(write)
	cmd.Streams = []eventstore.Ref{carts.Ref(c.TargetID), carts.Ref(c.SourceID)}
	cmd.Decide = func(tx *eventstore.Tx) error {
		target, source := carts.Get(tx, c.TargetID).State, carts.Get(tx, c.SourceID).State
		switch {
		case !owns(caller, target):
			return errNotFound
		case guest == "" || source.CustomerID != guest:
			return errNotYourGuest
		}
		if err := tx.ExpectVersion(c.TargetID, write.IfMatch); err != nil {
			return target.stale(err)
		}
		in, away, err := decideMerge(target, source, c)
		if err != nil || in == nil {
			return err
		}
		carts.Append(tx, c.TargetID, *in)
		carts.Append(tx, c.SourceID, *away)
		return nil
	}
	return cmd
}
