// The products: all, or those that match a search.

import { call } from "../api.js";
import { busy, h, money, show, toast } from "../dom.js";
import * as session from "../session.js";
import { tile } from "../tile.js";

export async function products({ main, signal, query, title }) {
  const q = query.get("q") ?? "";
  title(q ? `“${q}”` : "");
  const grid = h("ul", { class: "grid" });
  const more = h("div", { class: "more" });
  const heading = q
    ? h("div", { class: "lede small" }, h("h1", {}, `“${q}”`), h("p", {}, h("a", { href: "/shop" }, "Show everything")))
    : h(
        "div",
        { class: "lede" },
        h("h1", {}, "Small things, well made, for the house."),
        h("p", {}, "Mugs, lanterns, tins and hearts: a demonstration shop with the stock of a real one."),
      );

  const load = async (cursor) => {
    const path = `/v1/products?limit=24${q ? `&q=${encodeURIComponent(q)}` : ""}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const { body } = await call("GET", path, { signal });
    grid.append(...body.data.filter((product) => product.active).map(card));
    const next = h("button", { class: "button quiet", onclick: () => busy(next, () => load(body.next_cursor)) }, "Show more");
    show(more, body.next_cursor ? next : null);
    return grid.childElementCount;
  };
  const found = await load(null);
  show(main, heading, found ? [grid, more] : nothing(q));
}

function nothing(q) {
  if (q) return h("div", { class: "empty" }, h("p", {}, "No product has that name. A shorter word may find more."));
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, "There are no products yet"),
    h("p", {}, "Add products and simulate customers from a second terminal:"),
    h("pre", {}, h("code", { tabindex: "0" }, "go run . demo")),
  );
}

function card(product) {
  const address = `/shop/products/${encodeURIComponent(product.sku)}`;
  return h(
    "li",
    { class: "card" },
    h("a", { href: address, class: "picture", tabindex: "-1", "aria-hidden": "true" }, tile(product)),
    h("h2", {}, h("a", { href: address }, product.name)),
    h("p", { class: "price" }, money(product.price), h("span", { class: "stock" }, scarce(product))),
    buy(product),
  );
}

/** scarce returns a text when few are left. */
export function scarce({ available }) {
  if (available === null || available > 10) return "";
  return available <= 0 ? "Sold out" : `Only ${available} left`;
}

/** buy is the button that puts a product into the cart. */
export function buy(product, quantity = () => 1, label = "Add to cart") {
  if (product.available !== null && product.available <= 0)
    return h("button", { class: "button buy", disabled: true }, "Sold out");
  const button = h(
    "button",
    { class: "button buy", "aria-label": `${label}: ${product.name}`, onclick: () => busy(button, put) },
    label,
  );
  const put = async () => {
    try {
      await session.add(product, quantity());
      toast(`${product.name} is in your cart.`);
    } catch (error) {
      toast(error.code === "cart_closed" ? "Your cart is being checked out. Finish or cancel the checkout first." : error.message, "bad");
    }
  };
  return button;
}
