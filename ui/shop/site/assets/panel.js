// The panel that shows the calls of the page and the work of the server, live. A real shop would not show this.

import { calls, traffic } from "./api.js";
import { day, h, show, took } from "./dom.js";

const steps = {
  "order.place": "Reserve the stock and place the order",
  "payment.charge": "Authorize the card, then capture the amount",
  "order.confirm": "Confirm the order",
  "cart.complete": "Close the cart",
  "payment.undo": "Void the payment and refuse a later charge",
  "order.cancel": "Release the stock and cancel the order",
  "cart.reopen": "Reopen the cart, unchanged",
  "payment.verify": "Check the outcome with the provider",
};

const marks = { pending: "○", running: "↻", done: "✓", retrying: "↻", waiting: "…", refused: "✕", skipped: "–" };

const intro = h(
  "p",
  { class: "hint" },
  "This shop is a web page that calls an API, and nothing else. This panel shows its calls and the work of the server. Buy something to see the saga of the checkout.",
);
const story = h("div", { class: "story" });
const wire = h("ol", { class: "calls" });
const live = h("span", { class: "live" });

/** mount adds the panel to the page: open on wide screens, folded on a phone. */
export function mount(place) {
  const roomy = matchMedia("(min-width: 68rem)");
  const box = h(
    "details",
    { class: "counter-box", open: roomy.matches },
    h("summary", {}, h("span", { class: "summary-text" }, h("strong", {}, "Server activity"), live)),
    h(
      "div",
      { class: "counter-body", tabindex: "0", role: "region", "aria-label": "Server activity" },
      story,
      h("section", {}, h("h2", {}, "Calls of this page"), wire),
    ),
  );
  roomy.addEventListener("change", () => {
    box.open = roomy.matches;
  });
  place.append(box);
  let drawn = false;
  traffic.addEventListener("call", () => {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      drawCalls();
    });
  });
  tell(null);
}

function drawCalls() {
  show(
    wire,
    calls
      .slice(0, 30)
      .map((note) =>
        h(
          "li",
          { class: `call ${kind(note.status)}` },
          h("span", { class: "status" }, note.status ?? "…"),
          h("span", { class: "method" }, note.method),
          h("span", { class: "path" }, readable(note.path)),
          h("span", { class: "took" }, note.took === null ? "" : took(note.took), note.replayed ? " · replayed" : ""),
        ),
      ),
  );
}

const kind = (status) => (status === null ? "open" : status < 400 ? "good" : "bad");

// readable shortens ids: their ends are enough to tell them apart.
const readable = (path) => path.replace(/[0-9a-f]{8}-[0-9a-f-]{21}([0-9a-f]{6})/g, "…$1").replace(/cursor=[^&]+/, "cursor=…");

/** tell sets the upper part of the panel. */
export function tell(...content) {
  const parts = content.filter(Boolean);
  if (parts.length === 0) live.textContent = "";
  show(story, parts.length ? parts : intro);
}

/** told sets the short text of a folded panel. */
export const told = (words) => {
  live.textContent = words;
};

/** sagaView shows a checkout: its steps, and the updates received so far. */
export function sagaView(checkout, heard) {
  const began = new Date(checkout.created_at);
  told(words(checkout));
  return h(
    "section",
    {},
    h("h2", {}, "The saga of this checkout"),
    h(
      "p",
      { class: "sagahead" },
      h("span", { class: `pill ${checkout.status}` }, checkout.status),
      h("span", { class: "mono" }, `…${checkout.id.slice(-6)}`),
    ),
    h("ol", { class: "steps" }, checkout.steps.map(stepView)),
    h("h3", {}, "Updates received"),
    h(
      "ol",
      { class: "heard" },
      heard.map((one) =>
        h(
          "li",
          {},
          h("span", { class: "took" }, `+${took(Math.max(0, new Date(one.checkout.updated_at) - began))}`),
          h("span", {}, words(one.checkout)),
          h("span", { class: "how" }, one.how === "stream" ? "event" : "polled"),
        ),
      ),
    ),
  );
}

function words(checkout) {
  const at = checkout.steps.find((step) => ["running", "retrying", "waiting"].includes(step.status));
  return at ? `${checkout.status} · ${at.name}` : checkout.status;
}

function stepView(step) {
  const span = step.started_at && step.finished_at ? took(new Date(step.finished_at) - new Date(step.started_at)) : null;
  const tried = step.attempts > 1 ? `${step.attempts} attempts` : null;
  return h(
    "li",
    { class: `step ${step.status}` },
    h("span", { class: "mark", "aria-hidden": "true" }, marks[step.status] ?? "?"),
    h(
      "div",
      {},
      h(
        "p",
        { class: "name" },
        h("span", { class: "mono" }, step.name),
        h("span", { class: "note" }, [step.status, tried, span].filter(Boolean).join(" · ")),
      ),
      h("p", { class: "what" }, steps[step.name] ?? ""),
      step.error ? h("p", { class: "error" }, step.error) : null,
    ),
  );
}

/** timelineView shows the history of an order, across the modules. */
export function timelineView(entries) {
  const began = entries.length ? new Date(entries[0].at) : null;
  return h(
    "section",
    {},
    h("h2", {}, "The timeline of this order"),
    h("p", { class: "hint" }, "Every event of cart, order, payment and saga, in order. This is the stored data, not a log."),
    h(
      "ol",
      { class: "timeline" },
      entries.map((entry) =>
        h(
          "li",
          { class: entry.module },
          h("span", { class: "took", title: day(entry.at) }, `+${took(new Date(entry.at) - began)}`),
          h("span", { class: "event" }, entry.type, entry.step ? h("span", { class: "step-of" }, ` ${entry.step}`) : null),
          h("span", { class: "how" }, entry.actor === "shop" || entry.actor === "provider" ? entry.actor : "you"),
        ),
      ),
    ),
  );
}

/** cartView shows a cart as its events. */
export function cartView(events) {
  return h(
    "section",
    {},
    h("h2", {}, "This cart, as events"),
    h("p", { class: "hint" }, "The server stores events, and computes the cart from them."),
    h(
      "ol",
      { class: "timeline" },
      events.map((entry) =>
        h(
          "li",
          { class: "cart" },
          h("span", { class: "took" }, `v${entry.version}`),
          h("span", { class: "event" }, entry.type, h("span", { class: "step-of" }, brief(entry.data ?? {}))),
        ),
      ),
    ),
  );
}

const brief = ({ sku, quantity }) => [sku ? ` ${sku}` : "", quantity ? ` × ${quantity}` : ""].join("");
