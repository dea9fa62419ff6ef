// One order: its lines, its payment, its cancellation, and the refund.

import { newKey, pause } from "../api.js";
import { busy, day, h, money, show } from "../dom.js";
import { tell, told, timelineView } from "../panel.js";
import * as session from "../session.js";
import { lines, totals } from "./cart.js";
import { standing } from "./orders.js";

export async function order({ main, signal, parts: [id], title }) {
  const read = async (version) => session.as("GET", `/v1/orders/${id}`, { ifNoneMatch: version, signal });
  let { body: found } = await read();
  title(`Order ${found.number}`);
  const draw = async () => {
    const payment = found.payment_id ? (await session.as("GET", `/v1/payments/${found.payment_id}`, { signal })).body : null;
    const { body: timeline } = await session.as("GET", `/v1/orders/${id}/timeline?limit=100`, { signal });
    if (signal.aborted) return;
    drawOrder(main, found, payment, async () => {
      found = (await read()).body;
      await draw();
      await settle();
    });
    tell(timelineView(timeline.data));
    told(found.status);
  };
  // A cancellation is a saga of its own, and its refund may take a while. This polls the order until it has ended.
  const settle = async () => {
    while (!signal.aborted && found.status === "cancelling") {
      await pause(700, signal);
      const { status, body } = await read(found.version);
      if (status === 304) continue;
      found = body;
      await draw();
    }
  };
  await draw();
  settle().catch(() => {});
}

function drawOrder(main, order, payment, cancelled) {
  const address = order.shipping_address ?? {};
  show(
    main,
    h("p", { class: "trail" }, h("a", { href: "/shop/orders" }, "Your orders")),
    h(
      "div",
      { class: "orderhead" },
      h("h1", {}, `Order ${order.number}`),
      h("span", { class: standing(order).class, role: "status" }, standing(order).words),
    ),
    h("p", { class: "hint" }, `Placed on ${day(order.created_at)}`),
    lines(order, true),
    totals(order),
    refunds(order, payment),
    h(
      "div",
      { class: "facts-pair" },
      h(
        "section",
        {},
        h("h2", {}, "Delivery address"),
        h(
          "address",
          {},
          [address.name, address.line1, [address.city, address.postal_code].filter(Boolean).join(" "), order.email]
            .filter(Boolean)
            .map((text) => h("span", {}, text)),
        ),
      ),
      h(
        "section",
        {},
        h("h2", {}, "Paid"),
        payment
          ? h(
              "p",
              {},
              `${money(payment.captured)} captured by the ${payment.provider}. `,
              h("span", { class: `pill ${payment.status}` }, payment.status.replace("_", " ")),
            )
          : h("p", {}, "No payment was due."),
      ),
    ),
    order.status === "confirmed" ? cancellation(order, cancelled) : null,
  );
}

function refunds(order, payment) {
  if (!payment || payment.refunds.length === 0) {
    return order.status === "cancelling" ? h("p", { class: "notice", role: "status" }, "Your refund is being processed.") : null;
  }
  const done = payment.refunds.every((refund) => refund.status === "succeeded");
  return h(
    "section",
    { class: "notice good", role: "status" },
    h("h2", {}, done ? "Your payment was refunded" : "Your refund is being processed"),
    h(
      "ul",
      { class: "changes" },
      payment.refunds.map((refund) =>
        h("li", {}, h("strong", {}, money(refund.amount)), ` · ${refund.status}`, refund.reason ? ` · ${refund.reason}` : ""),
      ),
    ),
  );
}

const reasons = ["I found a nicer one.", "I ordered this by mistake.", "It takes too long.", "I would rather not say."];

function cancellation(order, cancelled) {
  const key = newKey(); // one for this form: sending it twice is one request
  const problem = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "button danger", type: "submit" }, "Cancel the order");
  const form = h(
    "form",
    { class: "form" },
    h(
      "p",
      { class: "field" },
      h("label", { for: "reason" }, "Why?"),
      h(
        "select",
        { id: "reason", name: "reason" },
        reasons.map((reason) => h("option", {}, reason)),
      ),
    ),
    problem,
    h("p", {}, button),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(button, async () => {
      try {
        await session.as("POST", `/v1/orders/${order.id}/cancel`, { key, body: { reason: form.elements.reason.value } });
        await cancelled();
      } catch (error) {
        problem.textContent = error.message;
      }
    });
  });
  return h(
    "details",
    { class: "cancel" },
    h("summary", {}, "Cancel this order"),
    h("p", { class: "hint" }, "You can cancel the order until it is shipped. Your payment is then refunded, and the stock is released."),
    form,
  );
}
