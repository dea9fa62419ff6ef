// The orders of the customer.

import { busy, day, h, money, plural, show } from "../dom.js";
import * as session from "../session.js";
import { tile } from "../tile.js";

/** statuses maps the status of an order to words. */
export const statuses = {
  pending: "Pending",
  confirmed: "Paid",
  cancelling: "Cancelling",
  fulfilled: "Shipped",
  cancelled: "Cancelled",
};

/**
 * standing returns a class and words for the status of an order. An order that was cancelled before any money moved was never
 * paid.
 */
export function standing({ status, total, refunded }) {
  const unpaid = status === "cancelled" && total.amount > 0 && refunded.amount === 0;
  return unpaid ? { class: "pill unpaid", words: "Not paid" } : { class: `pill ${status}`, words: statuses[status] ?? status };
}

export async function orders({ main, signal, title }) {
  title("Orders");
  const list = h("ul", { class: "orders" });
  const more = h("div", { class: "more" });
  const load = async (cursor) => {
    const { body } = await session.as("GET", `/v1/orders?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, {
      signal,
    });
    list.append(...body.data.map(row));
    const next = h("button", { class: "button quiet", onclick: () => busy(next, () => load(body.next_cursor)) }, "Show more");
    show(more, body.next_cursor ? next : null);
    return list.childElementCount;
  };
  const found = await load(null);
  const whose = session.customerName()
    ? null
    : h(
        "p",
        { class: "hint" },
        "You shop as a guest. ",
        h("a", { href: "/shop/sign-in" }, "Sign in"),
        " to see your earlier orders.",
      );
  show(
    main,
    h("h1", {}, "Your orders"),
    whose,
    found
      ? [list, more]
      : h(
          "div",
          { class: "empty" },
          h("p", {}, "You have no orders yet."),
          h("p", {}, h("a", { class: "button", href: "/shop" }, "Browse the shop")),
        ),
  );
}

function row(order) {
  const n = order.items.reduce((sum, item) => sum + item.quantity, 0);
  return h(
    "li",
    {},
    h(
      "a",
      { href: `/shop/orders/${order.id}` },
      h(
        "span",
        { class: "thumbs", "aria-hidden": "true" },
        order.items.slice(0, 4).map((item) => tile(item)),
      ),
      h(
        "span",
        { class: "which" },
        h("strong", {}, `Order ${order.number}`),
        h("span", {}, `${day(order.created_at)} · ${plural(n, "item")}`),
      ),
      h("span", { class: standing(order).class }, standing(order).words),
      h("span", { class: "sum" }, money(order.total)),
    ),
  );
}
