// A checkout under way, and its end.

import { busy, h, money, show, toast } from "../dom.js";
import { newKey } from "../api.js";
import { sagaView, tell, timelineView } from "../panel.js";
import * as session from "../session.js";
import { follow } from "../stream.js";
import { shortages } from "./checkout.js";

export async function progress({ main, signal, go, parts: [id], title }) {
  title("Checkout");
  const card = h("div", { class: "progress", role: "status", "aria-live": "polite" });
  show(main, card);
  show(card, h("div", { class: "spinner", "aria-hidden": "true" }), h("h1", {}, "One moment"));
  const heard = [];
  let last = null;
  if (!session.token()) await session.refresh();
  await follow(
    id,
    session.token(),
    (checkout, how) => {
      if (signal.aborted) return;
      last = checkout;
      heard.push({ checkout, how });
      tell(sagaView(checkout, heard));
      draw(card, checkout, go);
    },
    signal,
  );
  if (signal.aborted || !last) return;
  await session.refresh().catch(() => {});
  if (last.status === "failed" && last.failure.code === "out_of_stock") await drawShortages(card, go);
  await tellTimeline(last, heard, signal);
}

// The timeline belongs to the order. A checkout without an order may have none.
async function tellTimeline(checkout, heard, signal) {
  if (checkout.steps.find((step) => step.name === "order.place")?.status !== "done") return;
  const { body } = await session.as("GET", `/v1/orders/${checkout.order_id}/timeline?limit=100`, { signal });
  if (!signal.aborted) tell(sagaView(checkout, heard), timelineView(body.data));
}

const failures = {
  payment_declined: ["The card was declined", "Your bank declined the payment. Nothing was charged."],
  insufficient_funds: ["Insufficient funds", "Nothing was charged. Another card may work."],
  authentication_failed: ["You denied the payment at your bank", "Nothing was charged, and your cart is unchanged."],
  authentication_expired: ["The confirmation at your bank timed out", "Nothing was charged, and your cart is unchanged."],
  capture_refused: [
    "The bank refused the payment",
    "It had authorized the payment and then refused it. Nothing was charged, and your cart is unchanged.",
  ],
  provider_unavailable: ["The payment provider cannot be reached", "Nothing was charged. Please try again shortly."],
  too_many_waiting: [
    "Too many payments are waiting",
    "Confirm or cancel one of your other payments, or try again in some minutes. Nothing was charged.",
  ],
  too_many_declines: ["Too many payments were declined", "Nothing was charged. Please try again later."],
  out_of_stock: ["Out of stock", "There is not enough stock of a product in your cart. Nothing was charged."],
  cancelled: ["You cancelled this checkout", "Nothing was charged, and your cart is unchanged."],
};

function draw(card, checkout, go) {
  const total = money(checkout.total);
  switch (checkout.status) {
    case "running":
      return show(
        card,
        h("div", { class: "spinner", "aria-hidden": "true" }),
        h("h1", {}, running(checkout)),
        h("p", {}, `You pay ${total} once. You may close this page: the checkout continues without it.`),
        stop(checkout),
      );
    case "compensating":
      return show(
        card,
        h("div", { class: "spinner", "aria-hidden": "true" }),
        h("h1", {}, "Compensating the checkout"),
        h("p", {}, checkout.failure?.detail ?? ""),
      );
    case "requires_action":
      return show(
        card,
        symbol("wait"),
        h("h1", {}, "Your bank asks you to confirm the payment"),
        h("p", {}, `Confirm the payment of ${total} on a page of the bank. It then leads back here.`),
        h(
          "p",
          { class: "actions" },
          h("a", { class: "button large", href: bankPage(checkout) }, "Go to the bank"),
          stop(checkout),
        ),
      );
    case "completed":
      return show(
        card,
        symbol("good"),
        h("h1", {}, "Thank you for your order."),
        h("p", {}, `${total} was charged once.`),
        h(
          "p",
          { class: "actions" },
          h("a", { class: "button", href: `/shop/orders/${checkout.order_id}` }, "See your order"),
          h("a", { class: "button quiet", href: "/shop" }, "Continue shopping"),
        ),
      );
    case "needs_attention":
      return show(
        card,
        symbol("wait"),
        h("h1", {}, "This checkout needs attention"),
        h(
          "p",
          {},
          "The outcome of the payment is unknown. An operator of the shop must resolve it in the console. This page then shows the outcome.",
        ),
        h("p", { class: "actions" }, h("a", { class: "button quiet", href: "/shop" }, "Continue shopping")),
      );
    case "cancelled":
    case "failed": {
      const [heading, text] = failures[checkout.failure?.code ?? "cancelled"] ?? ["Something went wrong", checkout.failure?.detail];
      return show(
        card,
        symbol("bad"),
        h("h1", {}, heading),
        h("p", {}, text),
        h("div", { class: "shortages" }),
        h(
          "p",
          { class: "actions" },
          h("a", { class: "button", href: "/shop/checkout" }, "Try another card"),
          h("a", { class: "button quiet", href: "/shop/cart" }, "Back to the cart"),
        ),
      );
    }
  }
}

function running(checkout) {
  const charge = checkout.steps.find((step) => step.name === "payment.charge");
  if (charge?.status === "retrying") return "The bank does not answer. Retrying.";
  return "Placing your order";
}

// The bank's page leads back to this page. The simulated bank is at every address of this server. This uses the address of the
// page: a browser does not share its storage for localhost with 127.0.0.1.
function bankPage(checkout) {
  const page = new URL(new URL(checkout.next_action.url, location.href).pathname, location.origin);
  page.searchParams.set("return", location.pathname);
  return page.href;
}

function stop(checkout) {
  const key = newKey(); // one for this button: pressing it twice is one request
  const button = h(
    "button",
    {
      class: "button quiet",
      onclick: () =>
        busy(button, async () => {
          try {
            await session.as("POST", `/v1/checkouts/${checkout.id}/cancel`, { key });
          } catch (error) {
            toast(error.message, "bad");
          }
        }),
    },
    "Cancel this checkout",
  );
  return button;
}

async function drawShortages(card, go) {
  const cart = session.currentCart();
  const place = card.querySelector(".shortages");
  if (!cart || !place) return;
  const short = await shortages(cart);
  if (short.length === 0) return;
  const button = h(
    "button",
    {
      class: "button",
      onclick: () =>
        busy(button, async () => {
          for (const { item, available } of short)
            await (available > 0 ? session.setQuantity(item.sku, available) : session.remove(item.sku));
          go(session.currentCart()?.items.length ? "/shop/checkout" : "/shop/cart");
        }),
    },
    "Take the available quantity",
  );
  show(
    place,
    h(
      "ul",
      { class: "changes" },
      short.map(({ item, available }) =>
        h("li", {}, item.name, `: ${item.quantity} wanted, `, h("strong", {}, available > 0 ? `${available} left` : "none left")),
      ),
    ),
    h("p", { class: "actions" }, button),
  );
  card.querySelector(":scope > .actions")?.remove();
}

function symbol(kind) {
  return h("div", { class: `symbol ${kind}`, "aria-hidden": "true" }, { good: "✓", bad: "✕", wait: "…" }[kind]);
}
