// The page: its head, and the content that its address names.

import { h, plural, show, toast } from "./dom.js";
import { mount, tell } from "./panel.js";
import * as session from "./session.js";
import { cart } from "./pages/cart.js";
import { checkout } from "./pages/checkout.js";
import { order } from "./pages/order.js";
import { orders } from "./pages/orders.js";
import { product } from "./pages/product.js";
import { products } from "./pages/products.js";
import { progress } from "./pages/progress.js";
import { signIn } from "./pages/signin.js";

const pages = [
  [/^\/shop\/?$/, products],
  [/^\/shop\/products\/([^/]+)$/, product],
  [/^\/shop\/cart$/, cart],
  [/^\/shop\/checkout$/, checkout],
  [/^\/shop\/checkouts\/([0-9a-f-]{36})$/, progress],
  [/^\/shop\/orders$/, orders],
  [/^\/shop\/orders\/([0-9a-f-]{36})$/, order],
  [/^\/shop\/sign-in$/, signIn],
];

const main = document.getElementById("main");
let leave = new AbortController();

/** go shows another page. */
export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  render({ moved: true });
}

// render shows the page that the address names. The signal ends the work of the page before.
async function render({ moved = false } = {}) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [page, parts] = found(location.pathname);
  tell(null);
  if (moved) scrollTo(0, 0);
  try {
    await page({ main, signal, go, parts, query: new URLSearchParams(location.search), title });
  } catch (error) {
    if (signal.aborted) return;
    if (!error.status) console.error(error); // not a response
    show(main, trouble(error));
  }
  if (moved && !signal.aborted && !main.contains(document.activeElement)) {
    main.focus({ preventScroll: true }); // a screen reader continues there
  }
}

function found(path) {
  for (const [pattern, page] of pages) {
    const match = pattern.exec(path);
    if (match) return [page, match.slice(1).map(plain)];
  }
  return [nowhere, []];
}

// plain decodes a part of the address. An invalid one stays as it is: the server does not find that name.
function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function title(text) {
  document.title = text ? `${text} · Thimble` : "Thimble";
}

function nowhere({ main }) {
  title("Page not found");
  show(
    main,
    h("div", { class: "empty" }, h("h1", {}, "Page not found"), h("p", {}, h("a", { href: "/shop" }, "Back to the shop"))),
  );
}

function trouble(error) {
  title("Something went wrong");
  return h(
    "div",
    { class: "empty" },
    h("h1", {}, error.status === 404 ? "Page not found" : "Something went wrong"),
    h("p", {}, error.status ? error.message : "The server cannot be reached. Nothing was lost. Try again shortly."),
    h(
      "p",
      {},
      h("button", { class: "button", onclick: () => render() }, "Try again"),
      " ",
      h("a", { href: "/shop", class: "button quiet" }, "Back to the shop"),
    ),
  );
}

// The head.

const search = h("input", {
  type: "search",
  name: "q",
  placeholder: "Search",
  "aria-label": "Search the products",
  autocomplete: "off",
  maxlength: "100",
});
const basket = h("a", { href: "/shop/cart", class: "basket" });
const who = h("div", { class: "who" });

function head() {
  const form = h("form", { class: "search", role: "search", action: "/shop" }, search);
  let pending;
  const look = (replace) => {
    clearTimeout(pending);
    const q = search.value.trim();
    if (location.pathname === "/shop" && (new URLSearchParams(location.search).get("q") ?? "") === q) return;
    go(q ? `/shop?q=${encodeURIComponent(q)}` : "/shop", { replace });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    look(false);
  });
  search.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(() => look(location.pathname === "/shop"), 250);
  });
  show(
    document.getElementById("top"),
    h(
      "a",
      { href: "/shop", class: "wordmark" },
      h("img", { src: new URL("thimble.svg", import.meta.url).pathname, alt: "", width: 30, height: 30 }),
      "Thimble",
    ),
    form,
    h("nav", { "aria-label": "Shop" }, who, basket),
  );
}

function drawHead() {
  const n = session.count();
  show(basket, h("span", {}, "Cart"), h("span", { class: n ? "badge" : "badge none" }, String(n)));
  basket.title = plural(n, "item");
  const name = session.customerName();
  show(
    who,
    h("a", { href: "/shop/orders" }, "Orders"),
    name
      ? h("a", { href: "/shop/sign-in", class: "name", title: `Signed in as ${name}` }, name)
      : h("a", { href: "/shop/sign-in" }, "Sign in"),
  );
}

session.changes.addEventListener("cart", drawHead);
session.changes.addEventListener("who", drawHead);

// Links within the shop change the page without a reload.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || !/^\/shop(\/|$)/.test(to.pathname) || link.target || to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search);
});
addEventListener("popstate", () => {
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  render();
});

head();
drawHead();
search.value = new URLSearchParams(location.search).get("q") ?? "";
mount(document.getElementById("counter"));
render();
session.refresh().catch(() => toast("Your cart could not be loaded.", "bad"));
