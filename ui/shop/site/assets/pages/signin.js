// The simulated log-in of the shop.

import { busy, h, plural, show, toast } from "../dom.js";
import * as session from "../session.js";

export async function signIn({ main, go, title }) {
  title("Sign in");
  const name = session.customerName();
  show(main, h("div", { class: "narrow" }, name ? signedIn(name, go) : form(go)));
}

function signedIn(name, go) {
  return [
    h("h1", {}, `Hello, ${name}`),
    h("p", {}, "Your cart and your orders are stored under this name."),
    h(
      "p",
      { class: "actions" },
      h("a", { class: "button", href: "/shop/orders" }, "Your orders"),
      h(
        "button",
        {
          class: "button quiet",
          onclick: () => {
            session.signOut();
            toast("You are signed out.");
            go("/shop");
          },
        },
        "Sign out",
      ),
    ),
  ];
}

function form(go) {
  const problem = h("p", { class: "error", role: "alert", id: "name-error" });
  const field = h("input", {
    id: "name",
    name: "name",
    type: "text",
    autocomplete: "username",
    required: true,
    maxlength: 40,
    "aria-describedby": "name-error name-hint",
  });
  const button = h("button", { class: "button large", type: "submit" }, "Sign in");
  const form = h(
    "form",
    { class: "form" },
    h("p", { class: "field" }, h("label", { for: "name" }, "Your name"), field),
    problem,
    h("p", {}, button),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(button, async () => {
      try {
        const had = session.count();
        const { name, merged } = await session.signIn(field.value);
        toast(merged && had ? `Hello, ${name}. Your ${plural(had, "item")} moved to your cart.` : `Hello, ${name}.`);
        go("/shop/cart");
      } catch (error) {
        problem.textContent = error.errors?.[0]?.detail ?? error.message;
        field.focus();
      }
    });
  });
  return [
    h("h1", {}, "Sign in"),
    form,
    h(
      "p",
      { class: "hint", id: "name-hint" },
      "This replaces the log-in of a real shop. It accepts any name, and signs a customer’s token as yours would after a password. The items in your cart move to the customer’s cart.",
    ),
  ];
}
