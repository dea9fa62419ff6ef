// One product.

import { call } from "../api.js";
import { h, money, show } from "../dom.js";
import { tile } from "../tile.js";
import { buy } from "./products.js";

export async function product({ main, signal, parts: [sku], title }) {
  const { body: found } = await call("GET", `/v1/products/${encodeURIComponent(sku)}`, { signal });
  title(found.name);
  const quantity = h("input", { type: "number", id: "quantity", min: 1, max: 9999, value: "1", inputmode: "numeric" });
  const wanted = () => Math.min(9999, Math.max(1, Math.floor(Number(quantity.value)) || 1));
  show(
    main,
    h("p", { class: "trail" }, h("a", { href: "/shop" }, "All products")),
    h(
      "article",
      { class: "product" },
      h("div", { class: "picture" }, tile(found)),
      h(
        "div",
        { class: "about" },
        h("h1", {}, found.name),
        h("p", { class: "price" }, money(found.price)),
        h("p", { class: found.available === null || found.available > 10 ? "stock plenty" : "stock" }, availability(found)),
        found.active
          ? h("div", { class: "take" }, h("label", { for: "quantity" }, "Quantity"), quantity, buy(found, wanted))
          : h("p", { class: "notice" }, "This product is no longer sold."),
        h(
          "dl",
          { class: "facts" },
          h("dt", {}, "Article"),
          h("dd", {}, found.sku),
          h("dt", {}, "Delivery"),
          h("dd", {}, "Simulated"),
        ),
      ),
    ),
  );
}

function availability({ available }) {
  if (available === null) return "In stock";
  if (available <= 0) return "Sold out";
  return available <= 10 ? `Only ${available} left` : "In stock";
}
