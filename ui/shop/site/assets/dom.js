// Elements without a framework. Text is always inserted as text: the page's policy (trusted types) refuses HTML from strings.

/** h creates an element: h("a", { href: "/shop", class: "quiet", onclick: go }, "Home"). */
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

/** show replaces the content of an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

// The number of digits that are minor units, by ISO 4217, where it is not two. Browsers use other numbers for some currencies,
// such as COP and IDR: they follow price tags.
const digits = { CLF: 4, UYW: 4 };
for (const code of "BHD IQD JOD KWD LYD OMR TND".split(" ")) digits[code] = 3;
for (const code of "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ")) digits[code] = 0;

/** money formats {amount, currency} for people. The amount is in minor units. */
export function money({ amount, currency }) {
  const n = digits[currency] ?? 2;
  const format = { style: "currency", currency, minimumFractionDigits: n, maximumFractionDigits: n };
  return (amount / 10 ** n).toLocaleString("en-GB", format);
}

const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });

/** day formats a moment. */
export const day = (moment) => days.format(new Date(moment));

/** took formats a duration in milliseconds. */
export function took(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** plural returns a count with its noun: plural(2, "item") is "2 items". */
export const plural = (n, noun) => `${n.toLocaleString("en-GB")} ${noun}${n === 1 ? "" : "s"}`;

/** toast shows a message for some seconds. */
export function toast(text, kind = "") {
  const note = h("p", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** busy disables a button while work runs, so that nobody presses it twice. */
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
