// The API as this shop calls it. Keep these rules in a copy:
//
//   - A write has an Idempotency-Key. When its answer is lost (the network broke, the server restarted), the same request is sent
//     again with the same key, and takes effect once.
//   - If-Match names the version that the shopper saw. 412 means that there is a newer one.
//   - An error is a problem (RFC 9457): its code is for programs, its detail is a sentence for people.

/** Problem is an error response. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `The server answered ${status}.`);
    Object.assign(this, body, { status, code: body.code ?? "unknown" });
  }
}

/** traffic reports every call of the page: events "call" with a detail that is updated in place. */
export const traffic = new EventTarget();
export const calls = [];

const passing = [429, 502, 503, 504]; // the same request may succeed later
const tries = 6;

export const newKey = () =>
  // secure pages only have randomUUID; a plain address in a local network is none
  crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

/**
 * call sends a request until it has a final answer, and returns {status, body, etag, headers}. It throws an error response as a
 * Problem. A write may name its key; without one it gets a new one.
 */
export async function call(method, path, { token, body, key, ifMatch, ifNoneMatch, wait, signal } = {}) {
  const headers = new Headers({ Accept: "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (method !== "GET") headers.set("Idempotency-Key", key ?? newKey());
  if (ifMatch !== undefined) headers.set("If-Match", quoted(ifMatch));
  if (ifNoneMatch !== undefined) headers.set("If-None-Match", quoted(ifNoneMatch));
  if (wait) headers.set("Prefer", `wait=${wait}`);
  for (let attempt = 1; ; attempt++) {
    const last = attempt === tries;
    try {
      const response = await send(method, path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
      });
      const answer = await read(response);
      if (response.ok || response.status === 304) return answer;
      const refused = new Problem(response.status, answer.body ?? {});
      // An error with a checkout reports its end: a retry would not change it.
      if (last || !passing.includes(response.status) || refused.checkout_id) throw refused;
      await pause(Math.max(1000 * Number(response.headers.get("Retry-After") ?? 0), backoff(attempt)), signal);
    } catch (error) {
      if (error instanceof Problem || signal?.aborted || last) throw error;
      await pause(backoff(attempt), signal); // network error: the effect is unknown, and the key makes a retry safe
    }
  }
}

const quoted = (version) => `"${version}"`;
const backoff = (attempt) => Math.min(4000, 250 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);

/** pause waits until the time is over or the signal ends it. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

/** send is fetch, and reports the call to traffic. */
export async function send(method, path, request) {
  const note = { method, path, began: performance.now(), at: new Date(), status: null, took: null };
  calls.unshift(note);
  calls.length = Math.min(calls.length, 60);
  tell(note);
  try {
    const response = await fetch(path, request);
    note.status = response.status;
    note.replayed = response.headers.get("Idempotent-Replayed") === "true";
    return response;
  } catch (error) {
    note.status = request.signal?.aborted ? "left" : "lost";
    throw error;
  } finally {
    note.took = performance.now() - note.began;
    tell(note);
  }
}

const tell = (note) => traffic.dispatchEvent(new CustomEvent("call", { detail: note }));

async function read(response) {
  const text = await response.text();
  let body = null;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    body = { detail: "The response could not be read." }; // a proxy may send anything
  }
  return { status: response.status, headers: response.headers, etag: response.headers.get("ETag"), body };
}
