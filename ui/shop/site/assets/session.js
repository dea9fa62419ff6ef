// The customer and the cart. localStorage keeps both, so that they survive a reload. The server has the cart itself; only its id
// is stored here.

import { call, newKey, Problem } from "./api.js";

const place = "thimble";
export const changes = new EventTarget(); // "cart", "who"

/** me is {token, customer, name?, cart?, currency?, merge?, attempt?}. */
let me = JSON.parse(localStorage.getItem(place) ?? "{}");
let cart = null;

function keep(changed) {
  me = { ...me, ...changed };
  localStorage.setItem(place, JSON.stringify(me));
}

// Another tab may change the session or the cart.
addEventListener("storage", (event) => {
  if (event.key !== place) return;
  const before = me;
  me = JSON.parse(event.newValue ?? "{}");
  if (me.customer !== before.customer) changed("who");
  refresh().catch(() => {});
});

const changed = (what) => changes.dispatchEvent(new Event(what));
const remember = (found) => {
  cart = found;
  changed("cart");
  return found;
};

export const currentCart = () => cart;
export const token = () => me.token;
export const customerName = () => me.name ?? null;
export const count = () => (cart?.status === "open" ? cart.items.reduce((n, item) => n + item.quantity, 0) : 0);

/**
 * as calls the API as the customer. A new guest replaces a token that is refused, and takes the cart along. Reads are repeated
 * for the new guest. Writes are not: they were meant for the old customer.
 */
export async function as(method, path, options = {}) {
  if (!me.token) await (renewing ?? openSession());
  const used = me.token;
  try {
    return await call(method, path, { ...options, token: used });
  } catch (error) {
    if (error.status !== 401 || (renewing && used === me.token)) throw error; // a new token was refused too
    const { was, is } = await (used === me.token ? renew() : (renewing ?? renewed));
    const anew = was && is ? path.replace(was, is) : path; // the cart has another id now
    if (method === "GET") return call(method, anew, { ...options, token: me.token });
    throw new Problem(401, { code: "signed_out", detail: "Your session has expired, and a new one has started. Please try again." });
  }
}

let renewing = null;
let renewed = {}; // the ids of the cart before and after

// renew replaces the customer by a new guest. Calls that are refused at the same time wait for the same guest: with two, the cart
// would be lost.
const renew = () =>
  (renewing ??= newGuest().finally(() => {
    renewing = null;
  }));

async function newGuest() {
  const source = me.cart ? { cart: me.cart, currency: me.currency, token: me.token } : null;
  keep({ token: null, customer: null, name: null, cart: null, attempt: null, merge: source ?? me.merge }); // a reload continues this
  await openSession();
  if (me.merge) await takeAlong(me.merge);
  changed("who");
  return (renewed = { was: source?.cart, is: me.cart });
}

let opening = null;

// openSession creates a guest. Concurrent callers get the same one.
const openSession = () =>
  (opening ??= call("POST", "/v1/sessions")
    .then(({ body }) => keep({ token: body.token, customer: body.customer_id, name: null }))
    .finally(() => {
      opening = null;
    }));

let reading = null;

/** refresh reads the cart. Concurrent callers get the same answer. */
export const refresh = () =>
  (reading ??= read().finally(() => {
    reading = null;
  }));

// read loads the cart, and forgets one that no longer exists.
async function read() {
  await renewing;
  if (me.merge) await takeAlong(me.merge);
  if (!me.cart) return remember(null);
  const id = me.cart;
  try {
    const { body } = await as("GET", `/v1/carts/${id}`);
    if (body.status === "merged" || body.status === "abandoned" || body.status === "checked_out") keep({ cart: null });
    return remember(body.status === "open" || body.status === "checking_out" ? body : null);
  } catch (error) {
    if (error.status !== 404) throw error;
    if (me.cart !== id) return read(); // its session had expired, and the cart was merged into another
    keep({ cart: null });
    return remember(null);
  }
}

async function cartFor(currency) {
  if (me.cart) return me.cart;
  const { body } = await as("POST", "/v1/carts", { body: { currency } });
  keep({ cart: body.id, currency });
  return body.id;
}

/** add puts a product into the cart. It opens a cart when there is none, or when the last one has become an order. */
export async function add(product, quantity = 1) {
  const id = await cartFor(product.price.currency);
  const key = newKey();
  try {
    const { body } = await as("POST", `/v1/carts/${id}/items`, { body: { sku: product.sku, quantity }, key });
    return remember(body);
  } catch (error) {
    const gone = error.status === 404 && error.code === "not_found";
    if (!gone && error.code !== "cart_closed") throw error;
    const closed = gone ? null : (await as("GET", `/v1/carts/${id}`)).body;
    if (closed?.status === "checking_out") throw error; // the page shows the checkout
    keep({ cart: null });
    return add(product, quantity);
  }
}

const line = (sku) => `/v1/carts/${me.cart}/items/${encodeURIComponent(sku)}`;

export const setQuantity = async (sku, quantity) => remember((await as("PATCH", line(sku), { body: { quantity } })).body);
export const remove = async (sku) => remember((await as("DELETE", line(sku))).body);
export const reprice = async () => remember((await as("POST", `/v1/carts/${me.cart}/reprice`)).body);

/** signIn gets a customer's token from the shop's own log-in, and merges the guest's cart into the customer's. */
export async function signIn(name) {
  const { body } = await call("POST", "/shop/sign-in", { body: { name } });
  const guest =
    !me.name && me.cart && cart?.status === "open" ? { cart: me.cart, currency: cart.currency, token: me.token } : null;
  keep({ token: body.token, customer: body.customer_id, name: body.name, cart: null, attempt: null, merge: guest });
  const { body: mine } = await as("GET", "/v1/carts?limit=100");
  const open = mine.data.find((c) => c.status === "open" || c.status === "checking_out");
  keep({ cart: open?.id ?? null, currency: open?.currency });
  changed("who");
  await refresh();
  return { name: body.name, merged: Boolean(guest) };
}

// takeAlong merges a guest's cart into the current one. It is stored first, so that it continues after a reload; merging twice
// has the effect of once. The guest's token proves whose cart it was, even some weeks after its expiry.
async function takeAlong(guest) {
  keep({ merge: guest });
  try {
    const id = await cartFor(guest.currency);
    await as("POST", `/v1/carts/${id}/merge`, { body: { source_cart_id: guest.cart, source_token: guest.token } });
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
  }
  keep({ merge: null });
}

export function signOut() {
  keep({ token: null, customer: null, name: null, cart: null, merge: null, attempt: null });
  changed("who");
  remember(null);
}

/** attempt is a checkout that was sent and has no answer yet, with its key and its content. */
export const attempt = () => me.attempt ?? null;

/**
 * checkOut checks out the version of the cart that the shopper saw. Repeated after a lost answer, with the same details, it is
 * the same checkout and not a second charge.
 */
export async function checkOut(details) {
  const wish = details ? { cart: me.cart, version: cart.version, details } : null;
  const sent = !wish || same(me.attempt, wish) ? me.attempt : { ...wish, key: newKey() };
  keep({ attempt: sent });
  try {
    const { body } = await as("POST", `/v1/carts/${sent.cart}/checkout`, {
      body: sent.details,
      key: sent.key,
      ifMatch: sent.version,
    });
    keep({ attempt: null });
    return body;
  } catch (error) {
    // Refused: the next one is another attempt. After a server error it is unknown whether the checkout began.
    if (error instanceof Problem && error.status < 500) keep({ attempt: null });
    throw error;
  }
}

const said = ({ cart, version, details }) => JSON.stringify([cart, version, details]);
const same = (attempt, wish) => Boolean(attempt) && said(attempt) === said(wish);
