// The checkout: the address and the payment method.

import { busy, h, money, show } from "../dom.js";
import { call } from "../api.js";
import * as session from "../session.js";
import { lines, totals } from "./cart.js";

// The simulator's cards: each shows a different outcome of a payment.
const cards = [
  ["sim_ok", "Works", "Authorized and captured at once."],
  ["sim_requires_action", "Requires 3-D Secure", "You approve or deny the payment on a page of the bank."],
  ["sim_declined", "Declined", "The bank declines the payment."],
  ["sim_insufficient_funds", "Insufficient funds", "The bank declines the payment. Guests do not learn why."],
  ["sim_slow", "Slow bank", "Each call takes two seconds."],
  [
    "sim_timeout_applied",
    "Charged, answer lost",
    "The bank charges the card, and its answer is lost. The shop looks up the outcome.",
  ],
  ["sim_timeout_lost", "Request lost", "The request is lost. The shop repeats it until the bank gets it."],
  ["sim_flaky", "Fails twice, then works", "Each call needs three attempts."],
  ["sim_capture_fails", "Capture refused", "Authorized, then refused for good: the checkout is compensated."],
  ["sim_refund_flaky", "Refunds fail at first", "Works. Cancel the order later to see the refund being retried."],
];

export async function checkout({ main, signal, go, title }) {
  title("Checkout");
  await session.refresh();
  if (signal.aborted) return;
  const cart = session.currentCart();
  if (session.attempt()) return resume(main, go); // sent before a reload, without an answer: repeat it
  if (cart?.status === "checking_out") return go(`/shop/checkouts/${cart.checkout_id}`, { replace: true });
  if (!cart || cart.items.length === 0) return go("/shop/cart", { replace: true });
  draw(main, cart, go);
}

async function resume(main, go) {
  show(
    main,
    h("h1", {}, "Checkout"),
    h(
      "p",
      { class: "notice", role: "status" },
      "Your last attempt has no answer yet. It is sent again with the same key, so it cannot charge twice.",
    ),
  );
  try {
    go(`/shop/checkouts/${(await session.checkOut()).id}`, { replace: true });
  } catch (error) {
    await session.refresh();
    if (error.checkout_id) return go(`/shop/checkouts/${error.checkout_id}`, { replace: true });
    const cart = session.currentCart();
    if (!cart || cart.items.length === 0) return go("/shop/cart", { replace: true });
    draw(main, cart, go, error);
  }
}

function draw(main, cart, go, refusal) {
  const notice = h("div", { role: "alert" });
  const button = h("button", { class: "button large", type: "submit" }, `Pay ${money(cart.total)}`);
  const form = h(
    "form",
    { class: "form", novalidate: true },
    h(
      "fieldset",
      {},
      h("legend", {}, "Delivery address"),
      field("email", "E-mail", {
        type: "email",
        autocomplete: "email",
        required: true,
        value: kept("email") || "ada@example.com",
      }),
      field("name", "Name", { autocomplete: "name", value: kept("name") || session.customerName() || "Ada Lovelace" }),
      field("line1", "Street", { autocomplete: "address-line1", value: kept("line1") || "12 St James’s Square" }),
      h(
        "div",
        { class: "pair" },
        field("city", "Town", { autocomplete: "address-level2", value: kept("city") || "London" }),
        field("postal_code", "Postcode", { autocomplete: "postal-code", value: kept("postal_code") || "SW1Y 4JH" }),
      ),
    ),
    h(
      "fieldset",
      { class: "cards" },
      h("legend", {}, "Payment method"),
      h(
        "p",
        { class: "hint" },
        "No money moves. Each card of the simulator shows a different outcome of a payment.",
      ),
      h(
        "div",
        { class: "choices" },
        cards.map(([method, name, what], at) =>
          h(
            "label",
            { class: "choice" },
            h("input", { type: "radio", name: "payment_method", value: method, checked: at === 0 }),
            h("span", { class: "face" }, h("strong", {}, name), h("span", {}, what)),
          ),
        ),
      ),
    ),
    notice,
    h("p", { class: "end" }, button),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(button, () => pay(form, notice, go));
  });
  show(
    main,
    h("h1", {}, "Checkout"),
    h(
      "div",
      { class: "checkout" },
      form,
      h(
        "aside",
        { class: "summary", "aria-label": "Your cart" },
        h("h2", {}, "Your cart"),
        lines(cart, true),
        totals(cart),
        h("p", {}, h("a", { href: "/shop/cart" }, "Change the cart")),
      ),
    ),
  );
  if (refusal) explain(notice, refusal, go);
}

function field(name, label, attributes) {
  return h(
    "p",
    { class: "field" },
    h("label", { for: name }, label),
    h("input", { id: name, name, type: "text", maxlength: 200, "aria-describedby": `${name}-error`, ...attributes }),
    h("span", { class: "error", id: `${name}-error` }),
  );
}

// The form's content is kept for this tab only.
const kept = (name) => JSON.parse(sessionStorage.getItem("thimble.form") ?? "{}")[name];

async function pay(form, notice, go) {
  const { payment_method, email, ...address } = Object.fromEntries(new FormData(form));
  sessionStorage.setItem("thimble.form", JSON.stringify({ email, ...address }));
  for (const error of form.querySelectorAll(".field .error")) error.textContent = "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  show(notice);
  try {
    const begun = await session.checkOut({ payment_method, email, shipping_address: address });
    go(`/shop/checkouts/${begun.id}`);
  } catch (error) {
    if (error.errors) for (const wrong of error.errors) mark(form, wrong);
    await explain(notice, error, go);
    if (!error.errors) notice.scrollIntoView({ block: "center" });
  }
}

function mark(form, { field, detail }) {
  const input = form.elements[field];
  if (!input?.id) return;
  input.setAttribute("aria-invalid", "true");
  document.getElementById(`${input.id}-error`).textContent = detail;
  input.focus();
}

/** explain shows an error with its meaning and the possible actions. */
export async function explain(place, error, go) {
  const again = async () => {
    await session.refresh();
    go("/shop/checkout", { replace: true });
  };
  switch (error.code) {
    case "price_changed":
      return show(
        place,
        notice(
          "Prices have changed since you filled the cart",
          h(
            "ul",
            { class: "changes" },
            error.lines.map((line) =>
              h("li", {}, nameOf(line.sku), " ", h("s", {}, money(line.was)), " ", h("strong", {}, money(line.now))),
            ),
          ),
          act("Accept the new prices", async () => {
            await session.reprice();
            await again();
          }),
        ),
      );
    case "product_inactive":
      return show(
        place,
        notice("A product in your cart is no longer sold", h("p", {}, error.message), link("/shop/cart", "To the cart")),
      );
    case "cart_closed":
      return show(
        place,
        notice(
          "This cart is closed",
          h("p", {}, error.message),
          error.checkout_id
            ? link(`/shop/checkouts/${error.checkout_id}`, "See its checkout")
            : link("/shop", "Back to the shop"),
        ),
      );
    case "version_mismatch":
      return show(
        place,
        notice(
          "Your cart has changed, perhaps in another tab",
          h("p", {}, "Check the cart again before you pay."),
          act("Show the current cart", again),
        ),
      );
    case "cart_empty":
      return show(place, notice("Your cart is empty", link("/shop", "Browse the shop")));
    default:
      return show(
        place,
        notice(
          error.status ? "Something went wrong" : "The server cannot be reached",
          h(
            "p",
            {},
            error.status
              ? error.message
              : "It is unknown whether your order was placed. Pay again: it is the same attempt and cannot charge twice.",
          ),
          error.status ? null : act("Send it again", again),
        ),
      );
  }
}

const nameOf = (sku) => session.currentCart()?.items.find((item) => item.sku === sku)?.name ?? sku;
const notice = (heading, ...content) => h("div", { class: "notice bad" }, h("h2", {}, heading), content);
const link = (href, text) => h("p", {}, h("a", { class: "button quiet", href }, text));
const act = (text, work) => {
  const button = h("button", { class: "button", type: "button", onclick: () => busy(button, work) }, text);
  return h("p", {}, button);
};

/** shortages returns the lines of the cart with too little stock, and the available quantity. */
export async function shortages(cart) {
  const found = await Promise.all(
    cart.items.map((item) =>
      call("GET", `/v1/products/${encodeURIComponent(item.sku)}`).then(({ body }) => ({ item, available: body.available })),
    ),
  );
  return found.filter(({ item, available }) => available !== null && available < item.quantity);
}
