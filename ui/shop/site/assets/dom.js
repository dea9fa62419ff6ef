// Elements without a framework. Text goes in as text, always: nothing here makes HTML of a string, and the page's policy
// (trusted types) would refuse it.

/** h makes an element: h("a", { href: "/shop", class: "quiet", onclick: go }, "Home"). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** s is h for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** show replaces what stands in an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

// How many digits of an amount are minor units, by ISO 4217, where they are not two. Browsers have another opinion of some
// currencies, such as COP and IDR: they go by what is written on price tags there.
const digits = { CLF: 4, UYW: 4 };
for (const code of "BHD IQD JOD KWD LYD OMR TND".split(" ")) digits[code] = 3;
for (const code of "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ")) digits[code] = 0;

/** money writes {amount, currency}, which is in minor units, as people do. */
export function money({ amount, currency }) {
  const n = digits[currency] ?? 2;
  const format = { style: "currency", currency, minimumFractionDigits: n, maximumFractionDigits: n };
  return (amount / 10 ** n).toLocaleString("en-GB", format);
}

const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });

/** day writes a moment for people. */
export const day = (moment) => days.format(new Date(moment));

/** took writes a span in milliseconds. */
export function took(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** plural counts: plural(2, "item") is "2 items". */
export const plural = (n, noun) => `${n.toLocaleString("en-GB")} ${noun}${n === 1 ? "" : "s"}`;

/** toast says something in passing. */
export function toast(text, kind = "") {
  const note = h("p", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** busy keeps a button from being pressed twice while work runs. */
export async function busy(button, work) {
  if (button.disabled) return;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}
