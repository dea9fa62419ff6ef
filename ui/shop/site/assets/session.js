// Who shops, and their cart. Both are kept in localStorage, so that a reload, or another day, finds them again; the cart itself is
// the server's, here is only its id.

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

// Another tab shops too: what it kept counts here as well.
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
 * as calls the API as whoever shops. A token that is no longer taken makes way for a new guest, who takes the cart along. What was
 * read is read again by the guest; what was written is not written by somebody else.
 */
export async function as(method, path, options = {}) {
  if (!me.token) await (renewing ?? openSession());
  const used = me.token;
  try {
    return await call(method, path, { ...options, token: used });
  } catch (error) {
    if (error.status !== 401 || (renewing && used === me.token)) throw error; // a new token that is no good either
    const { was, is } = await (used === me.token ? renew() : (renewing ?? renewed));
    const anew = was && is ? path.replace(was, is) : path; // the cart has another id now
    if (method === "GET") return call(method, anew, { ...options, token: me.token });
    throw new Problem(401, { code: "signed_out", detail: "Your session had ended, so this is a new one. Please try again." });
  }
}

let renewing = null;
let renewed = {}; // the ids of the cart before and after

// renew makes way for a new guest. Calls that were refused at the same time wait for the same one: two guests would lose the cart
// between them.
const renew = () =>
  (renewing ??= newGuest().finally(() => {
    renewing = null;
  }));

async function newGuest() {
  const source = me.cart ? { cart: me.cart, currency: me.currency, token: me.token } : null;
  keep({ token: null, customer: null, name: null, cart: null, attempt: null, merge: source ?? me.merge }); // a reload goes on with it
  await openSession();
  if (me.merge) await takeAlong(me.merge);
  changed("who");
  return (renewed = { was: source?.cart, is: me.cart });
}

let opening = null;

// openSession makes a guest. Who asks while one is being made gets the same.
const openSession = () =>
  (opening ??= call("POST", "/v1/sessions")
    .then(({ body }) => keep({ token: body.token, customer: body.customer_id, name: null }))
    .finally(() => {
      opening = null;
    }));

let reading = null;

/** refresh reads the cart. Who asks while it is being read gets the same answer. */
export const refresh = () =>
  (reading ??= read().finally(() => {
    reading = null;
  }));

// read forgets a cart that is not there any more.
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
    if (me.cart !== id) return read(); // of a session that had ended, and it came along into another
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

/** add puts a product into the cart, and opens one when there is none, or when the last one has become an order. */
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
    if (closed?.status === "checking_out") throw error; // it is being paid for: the page says so
    keep({ cart: null });
    return add(product, quantity);
  }
}

const line = (sku) => `/v1/carts/${me.cart}/items/${encodeURIComponent(sku)}`;

export const setQuantity = async (sku, quantity) => remember((await as("PATCH", line(sku), { body: { quantity } })).body);
export const remove = async (sku) => remember((await as("DELETE", line(sku))).body);
export const reprice = async () => remember((await as("POST", `/v1/carts/${me.cart}/reprice`)).body);

/** signIn asks the shop's own log-in for a customer's token, and merges the guest's cart into the customer's. */
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

// takeAlong merges a guest's cart into mine. It is noted first: what a reload cuts off goes on after it, and merging twice is
// merging once. The guest's token proves whose cart it was, even some weeks past its end.
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

/** attempt is a checkout that was sent and not answered yet: its key, and what it says, stay until it is. */
export const attempt = () => me.attempt ?? null;

/**
 * checkOut seals the cart as it was seen. Sent again after a lost answer, by itself or by a person who says the same, it is the same
 * checkout, and not a second charge.
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
    // Answered: it is a no, and the next one is another attempt. A server in trouble does not say whether it took effect.
    if (error instanceof Problem && error.status < 500) keep({ attempt: null });
    throw error;
  }
}

const said = ({ cart, version, details }) => JSON.stringify([cart, version, details]);
const same = (attempt, wish) => Boolean(attempt) && said(attempt) === said(wish);
