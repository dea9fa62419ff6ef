// The cart.

import { busy, h, money, plural, show, toast } from "../dom.js";
import { cartView, tell } from "../panel.js";
import * as session from "../session.js";
import { tile } from "../tile.js";

export async function cart({ main, signal, title }) {
  title("Cart");
  await session.refresh();
  if (signal.aborted) return;
  const draw = () => {
    drawCart(main, session.currentCart());
    history(signal).catch(() => {});
  };
  session.changes.addEventListener("cart", draw, { signal });
  draw();
}

// history shows the cart's events beside it.
async function history(signal) {
  const cart = session.currentCart();
  if (!cart) return tell(null);
  const after = Math.max(0, cart.version - 20);
  const { body } = await session.as("GET", `/v1/carts/${cart.id}/events?limit=20&after=${after}`, { signal });
  if (!signal.aborted) tell(cartView(body.data));
}

function drawCart(main, cart) {
  if (cart?.status === "checking_out") {
    show(
      main,
      h("h1", {}, "Your cart"),
      h(
        "div",
        { class: "notice" },
        h("p", {}, "This cart is being checked out. It cannot change until the checkout has ended."),
        h("p", {}, h("a", { class: "button", href: `/shop/checkouts/${cart.checkout_id}` }, "See the checkout")),
      ),
      lines(cart, true),
      totals(cart),
    );
    return;
  }
  if (!cart || cart.items.length === 0) {
    show(
      main,
      h(
        "div",
        { class: "empty" },
        h("h1", {}, "Your cart is empty"),
        h("p", {}, "Add a product to it."),
        h("p", {}, h("a", { class: "button", href: "/shop" }, "Browse the shop")),
      ),
    );
    return;
  }
  const focused = document.activeElement?.id;
  show(
    main,
    h("h1", {}, "Your cart"),
    lines(cart, false),
    totals(cart),
    h("p", { class: "end" }, h("a", { class: "button large", href: "/shop/checkout" }, "Go to checkout")),
  );
  if (focused) document.getElementById(focused)?.focus(); // a redraw must keep the keyboard focus
}

/** lines shows the lines of a cart or an order. */
export function lines({ items }, sealed) {
  return h(
    "ul",
    { class: "lines" },
    items.map((item, at) =>
      h(
        "li",
        {},
        h("div", { class: "thumb" }, tile(item)),
        h(
          "div",
          { class: "what" },
          h("a", { href: `/shop/products/${encodeURIComponent(item.sku)}` }, item.name),
          h("span", { class: "each" }, `${money(item.unit_price)} each`),
        ),
        sealed ? h("span", { class: "quantity" }, `× ${item.quantity}`) : stepper(item, at),
        h("span", { class: "sum" }, money(item.line_total)),
      ),
    ),
  );
}

function stepper(item, at) {
  const id = `line-${at}`;
  const change = (quantity) =>
    attempt(quantity < 1 ? session.remove(item.sku) : session.setQuantity(item.sku, Math.min(9999, quantity)));
  const field = h("input", {
    type: "number",
    id,
    min: 1,
    max: 9999,
    value: String(item.quantity),
    inputmode: "numeric",
    "aria-label": `Quantity of ${item.name}`,
    onchange: () => change(Math.floor(Number(field.value)) || item.quantity),
  });
  const less = h(
    "button",
    {
      id: `${id}-less`,
      "aria-label": `One ${item.name} less`,
      disabled: item.quantity === 1,
      onclick: () => busy(less, () => change(item.quantity - 1)),
    },
    "−",
  );
  const more = h(
    "button",
    { id: `${id}-more`, "aria-label": `One ${item.name} more`, onclick: () => busy(more, () => change(item.quantity + 1)) },
    "+",
  );
  const gone = h(
    "button",
    { class: "remove", "aria-label": `Remove ${item.name}`, onclick: () => busy(gone, () => change(0)) },
    "Remove",
  );
  return h("div", { class: "quantity" }, h("div", { class: "stepper" }, less, field, more), gone);
}

// attempt shows the reason of a failure, and the cart of the server.
async function attempt(work) {
  try {
    await work;
  } catch (error) {
    toast(error.message, "bad");
    await session.refresh().catch(() => {});
  }
}

/** totals shows the total, with the adjustments. */
export function totals({ items, adjustments, total }) {
  const n = items.reduce((sum, item) => sum + item.quantity, 0);
  return h(
    "dl",
    { class: "totals" },
    adjustments.map((a) => [h("dt", {}, a.label), h("dd", {}, money(a.amount))]),
    h("dt", { class: "total" }, `Total for ${plural(n, "item")}`),
    h("dd", { class: "total" }, money(total)),
  );
}
