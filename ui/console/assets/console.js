// Keeps the live part of a page up to date, and copies ids. Without this script, pages show the state at the time of loading.
"use strict";

const every = 2000, patience = 20000; // milliseconds between two reads, and the time limit of one

let current = new Date(); // time of the last update

// marks shows why the live part is out of date, or hides the mark without a reason.
function marks(why) {
  const mark = document.querySelector("[data-stale]");
  const text = why ? `Not up to date since ${current.toISOString().slice(11, 19)} UTC: ${why}.` : "";
  if (mark.textContent !== text) mark.textContent = text;
  mark.hidden = !why;
  document.body.classList.toggle("lost", Boolean(why));
}

// busy reports whether somebody is about to act in the part. It must not change then.
function busy(part) {
  const at = document.activeElement;
  return part.contains(at) && at.matches("input, select, textarea, button") ||
    [...part.querySelectorAll("input:not([type=hidden]), textarea")]
      .some(f => f.value !== f.defaultValue || f.checked !== f.defaultChecked);
}

async function refresh(part) {
  if (document.hidden || busy(part)) return;
  const answer = await fetch(location.href, { headers: { "X-Fragment": "live" }, credentials: "same-origin", signal: AbortSignal.timeout(patience) });
  if (answer.status === 401) location.reload();
  if (!answer.ok) return marks(`the server answers ${answer.status}`);
  const live = await answer.text();
  marks();
  if (busy(part)) return;
  const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
  const open = [...part.querySelectorAll("details[open][id]")].map(d => d.id);
  part.innerHTML = live;
  current = new Date();
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) [...part.querySelectorAll("a[href]")].find(a => a.getAttribute("href") === focused)?.focus();
  offerCopies();
  for (const badge of document.querySelectorAll("[data-count]")) {
    const n = answer.headers.get(`X-Count-${badge.dataset.count}`);
    badge.firstElementChild.textContent = n;
    badge.hidden = n === "0";
  }
}

async function keepUpToDate(part) {
  for (;;) {
    await new Promise(done => setTimeout(done, every));
    try {
      await refresh(part);
    } catch {
      marks("the server does not answer");
    }
  }
}

function offerCopies() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (navigator.clipboard) button.hidden = false;
  }
}

document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.firstChild.data = "Copied";
});

for (const part of document.querySelectorAll("[data-live]")) keepUpToDate(part);
for (const mark of document.querySelectorAll("[data-live-mark]")) mark.hidden = false;
offerCopies();
