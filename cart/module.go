// Package cart keeps carts and the price book.
//
// An operator puts a product into the price book. A shopper opens a cart and adds the product. The line takes the current price
// and keeps it. The shop's own rules (tax, shipping, discounts) run elsewhere and hand in their results as adjustments.
//
//	Created ─ ItemAdded ─ QuantityChanged ─ … ─ CheckedOut ─┬─ Completed           the cart has become an order
//	            ▲                                           └─ Reopened ─┐         the checkout failed: open as before
//	            └────────────────────────────────────────────────────────┘
//	          open ─ MergedAway (into another cart, which notes MergedIn) or Abandoned
//
// A checkout seals the cart. Later edits are refused until the checkout ends, and changed prices refuse the checkout. So the
// shopper pays the total they saw. [CheckedOut] carries everything that the checkout needs. The command [Complete] or [Reopen]
// ends it.
//
// Carts and products are streams of the schema cart. The stream id of a product is derived from its SKU, so the decision that
// adds an item reads the committed price.
package cart

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
	"shopping-cart/platform/bulkhead"
	"shopping-cart/platform/web"
)

// Config holds the settings and dependencies of the module.
type Config struct {
	eventstore.Database
	TTL       time.Duration // maximum idle time of an open cart before it is abandoned; 0: unlimited
	MaxEvents int64         // edits of a cart end at this version; 0: unlimited
	Limits    Limits
	Limited   func(what, by string) // counts refusals because of Limits; nil: not counted

	// HashAddress returns a keyed hash of a client's address, for events; nil: none.
	HashAddress func(netip.Addr) string

	Search   *pgxpool.Pool // for searches of products; nil: Query
	Searches int           // maximum number of searches that run at once; 0: 2

	// VerifyGuest reads a guest's token, which may have expired recently, and returns the guest. It returns auth.ErrNotGuest for the
	// valid token of another caller.
	VerifyGuest func(token string) (subject string, err error)
	Stock       Stock
}

// Stock says how many of each SKU can be sold. SKUs whose stock is not tracked are left out.
type Stock interface {
	Available(ctx context.Context, skus []string) (map[string]int64, error)
}

// Module is the cart module.
type Module struct {
	Config
	store    *eventstore.Store
	searches *bulkhead.Bulkhead
	indexed  atomic.Bool // searches can use cart.product_search
}

// New makes the module. Its store accepts subscriptions until the committer runs.
func New(c Config) *Module {
	if c.Limited == nil {
		c.Limited = func(string, string) {}
	}
	c.Search, c.Searches = cmp.Or(c.Search, c.Query), cmp.Or(c.Searches, 2)
	return &Module{Config: c, store: eventstore.Open(c.Database, "cart", carts, products), searches: newSearches(c.Searches)}
}

// Store returns the store of carts and products.
func (m *Module) Store() *eventstore.Store { return m.store }

// Run runs the store's background work, indexes products for searches and expires idle carts until ctx is done.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx) })
	g.Go(func() error {
		m.index(ctx)
		return nil
	})
	if m.TTL > 0 {
		g.Go(func() error {
			m.store.ExpireIdle(ctx, eventstore.Expiry{Kind: carts.Kind, Status: string(StatusOpen), After: m.TTL, Expire: m.expire})
			return nil
		})
	}
	return g.Wait()
}

// expire abandons a cart, unless it was touched or checked out before the decision.
func (m *Module) expire(ctx context.Context, id uuid.UUID) error {
	cmd := eventstore.Command{Meta: eventstore.Meta{Actor: "timer", Correlation: uuid.Must(uuid.NewV7())}, Named: expire{}}
	_, err := carts.Handle(ctx, m.store, id, cmd, func(tx *eventstore.Tx, cart eventstore.Stream[State]) ([]Event, error) {
		return decide(cart.State, expire{Untouched: tx.Now().Sub(cart.UpdatedAt), TTL: m.TTL}, nil)
	})
	return err
}

// Authorize returns the customer of a cart, or not_found if the caller may not see the cart.
func (m *Module) Authorize(ctx context.Context, caller web.Caller, cartID uuid.UUID) (customerID string, err error) {
	cart, err := m.load(ctx, caller, cartID)
	return cart.State.CustomerID, err
}

func (m *Module) load(ctx context.Context, caller web.Caller, cartID uuid.UUID) (eventstore.Stream[State], error) {
	cart, err := carts.Load(ctx, m.store, cartID)
	if err == nil && !isOwner(caller, cart.State) {
		err = errNotFound
	}
	return cart, err
}

// isOwner allows the cart's customer, and operators whom the route admits.
func isOwner(caller web.Caller, s State) bool {
	return s.CustomerID != "" && (s.CustomerID == caller.Subject || caller.Operator())
}

// CheckOut seals a cart. It refuses, in this order, with not_found, idempotency_key_reused, version_mismatch, cart_closed,
// cart_empty, product_inactive, currency_mismatch, price_changed, adjustments_stale, negative_total, validation_failed if a total
// above zero has no payment method, the refusals of Payments, too_many_attempts and too_many_units. A repeated request returns its original checkout.
func (m *Module) CheckOut(ctx context.Context, c CheckOut) (CheckOutResult, error) {
	if m.HashAddress != nil {
		c.source = m.HashAddress(c.Caller.Address)
	}
	cart, err := m.edit(ctx, edit{cart: c.CartID, caller: c.Caller, write: c.Write, command: c, prepare: c.SaveContact, then: c.Then})
	if err != nil {
		return CheckOutResult{}, err
	}
	result := CheckOutResult{CheckoutID: cart.State.CheckoutID, ContactID: c.ContactID, Replayed: cart.replayed, Then: cart.then}
	if result.Replayed {
		result.ContactID, err = m.contactAt(ctx, c.CartID, cart.Version)
	}
	return result, err
}

// contactAt returns the contact of the checkout that began at a version. After a repeated command only the log knows it: if the
// answer to the first commit was lost, it may be the contact of the repetition.
func (m *Module) contactAt(ctx context.Context, cart uuid.UUID, version int64) (contact uuid.UUID, err error) {
	found, err := m.store.ReadStream(ctx, cart, version-1, 1)
	if err != nil || len(found) == 0 {
		return contact, err
	}
	e, err := carts.Event(found[0])
	if checkedOut, ok := e.(CheckedOut); ok {
		contact = checkedOut.ContactID
	}
	return contact, err
}

// Handle ends the checkout of a cart. A repeated command, or one for another checkout than the running one, changes nothing and
// returns no error.
func (m *Module) Handle(ctx context.Context, id, correlation uuid.UUID, cmd Command) error {
	return eventstore.Chain(ctx, m.Link(id, correlation, cmd))[0].Err
}

// Link returns the command of Handle for a chain. It is harmless: it ends the checkout that it names, once.
func (m *Module) Link(id, correlation uuid.UUID, cmd Command) eventstore.Link {
	by := eventstore.Command{ID: id, Meta: eventstore.Meta{Actor: "saga", Correlation: correlation}, Named: cmd, Harmless: true}
	return eventstore.Link{Store: m.store, Command: carts.Command(cmd.cartID(), by,
		func(_ *eventstore.Tx, cart eventstore.Stream[State]) ([]Event, error) {
			return decide(cart.State, cmd, nil)
		})}
}

// SetQuantity changes a line for a caller in this process, exactly as the route does, and returns the new version of the cart.
func (m *Module) SetQuantity(ctx context.Context, caller web.Caller, w web.Write, cartID uuid.UUID, sku string, quantity int64) (version int64, err error) {
	cart, err := m.edit(ctx, edit{cart: cartID, caller: caller, write: w, command: setQuantity{SKU: sku, Quantity: quantity}})
	return cart.Version, err
}

// edit is a command on one cart with its caller.
type edit struct {
	cart    uuid.UUID
	caller  web.Caller
	write   web.Write
	command command
	prepare func(context.Context) error // runs when the command would be accepted, before it is; nil: nothing is needed
	// then returns the commands that follow in a chain, given the event by which the cart will be sealed. They take the place of prepare. nil: no chain
	then func(context.Context, CheckedOut) []eventstore.Link
}

// edited is a cart after a command.
type edited struct {
	eventstore.Stream[State]
	replayed bool // an earlier attempt of the same request changed it
	then     []eventstore.Result
}

// maxLookUps limits how often a cart's lines may change between reading their products and the decision.
const maxLookUps = 20

// edit decides an edit.
func (m *Module) edit(ctx context.Context, e edit) (edited, error) {
	for range maxLookUps {
		now, skus, err := m.skusFor(ctx, e)
		if err != nil {
			return edited{}, err
		}
		results := m.send(ctx, e, now, skus)
		switch err := results[0].Err; {
		case errors.Is(err, eventstore.ErrDissolved):
			e.then = nil
		case errors.Is(err, eventstore.ErrRehearsed):
			if err := e.prepare(ctx); err != nil {
				return edited{}, err
			}
			e.prepare = nil
		case !errors.Is(err, errStaleProducts):
			return m.result(ctx, results)
		}
	}
	return edited{}, eventstore.ErrBusy
}

// result returns the cart after a command and what followed it in its chain.
func (m *Module) result(ctx context.Context, results []eventstore.Result) (edited, error) {
	if err := results[0].Err; err != nil {
		m.countLimited(err)
		return edited{}, err
	}
	cart, err := carts.Result(ctx, m.store, results[0].Receipt)
	e := edited{Stream: cart, replayed: results[0].Receipt.Replayed}
	if len(results) > 1 {
		e.then = results[1:]
	}
	return e, err
}

// skusFor returns the products that a decision needs, and the cart if it was read for them. Commands on all lines need those of the current cart. If a line is added
// before the decision, the decision returns errStaleProducts and they are read again.
func (m *Module) skusFor(ctx context.Context, e edit) (now eventstore.Stream[State], skus []string, err error) {
	switch c := e.command.(type) {
	case addItem:
		skus = []string{c.SKU}
	case CheckOut, reprice:
		now, err = carts.Load(ctx, m.store, e.cart)
		skus = now.State.skus()
	case create, setQuantity, removeItem, clearItems, setAdjustments, Reopen, Complete, abandon, expire:
	}
	return now, skus, err
}

// send decides an edit, with the commands that follow it if the cart as it is now would be sealed.
func (m *Module) send(ctx context.Context, e edit, now eventstore.Stream[State], skus []string) []eventstore.Result {
	link := eventstore.Link{Store: m.store, Command: m.commandFor(e, skus)}
	c, seals := e.command.(CheckOut)
	if !seals || e.then == nil || e.write.IfMatch == nil || *e.write.IfMatch != now.Version || now.State.Status != StatusOpen {
		return eventstore.Chain(ctx, link)
	}
	return eventstore.ChainWhole(ctx, append([]eventstore.Link{link}, e.then(ctx, now.State.sealedBy(c))...)...)
}

// commandFor returns the command that decides an edit on the prices of skus.
func (m *Module) commandFor(e edit, skus []string) eventstore.Command {
	cmd := commandOf(e.write, e.command)
	cmd.Reads = productRefs(skus)
	return carts.Command(e.cart, cmd, func(tx *eventstore.Tx, cart eventstore.Stream[State]) ([]Event, error) {
		if _, opens := e.command.(create); !opens && !isOwner(e.caller, cart.State) {
			return nil, errNotFound
		}
		if err := checkVersion(tx, e.cart, e.write); err != nil {
			return nil, cart.State.explainMismatch(err)
		}
		events, err := decide(cart.State, e.command, readPrices(tx, skus))
		err = cmp.Or(err, checkWear(cart.Version, m.MaxEvents, events...), m.Limits.check(cart.State, e.caller.Guest, tx.Now(), events...))
		if err == nil && e.prepare != nil && e.then == nil {
			err = eventstore.ErrRehearsed
		}
		return events, err
	})
}

// commandOf returns a command with the id and metadata of a request.
func commandOf(w web.Write, named any) eventstore.Command {
	return eventstore.Command{
		ID: w.ID, Fingerprint: w.Fingerprint, Named: named, Subject: w.Caller.Subject, Operator: w.Caller.Operator(),
		Meta: eventstore.Meta{Actor: w.Actor, Correlation: w.Correlation},
	}
}

// checkVersion checks the If-Match and If-None-Match headers of a request against a stream.
func checkVersion(tx *eventstore.Tx, id uuid.UUID, w web.Write) error {
	if err := tx.ExpectVersion(id, w.IfMatch); err != nil || !w.IfExists {
		return err
	}
	return tx.ExpectExisting(id)
}
