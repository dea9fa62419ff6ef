// The API as this shop calls it. What matters to whoever copies it:
//
//   - A write carries an Idempotency-Key. When its answer is lost (the network broke, the server restarts), the same request is
//     sent again under the same key, and takes effect once.
//   - What a person saw is named in If-Match; 412 says that it is another version now.
//   - A refusal is a problem (RFC 9457): its code is for programs, its detail is a sentence for people.

/** Problem is a refusal. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `The server answered ${status}.`);
    Object.assign(this, body, { status, code: body.code ?? "unknown" });
  }
}

/** traffic tells of every call that the page makes: events "call" with a detail that is updated in place. */
export const traffic = new EventTarget();
export const calls = [];

const passing = [429, 502, 503, 504]; // the same request may do better in a moment
const tries = 6;

export const newKey = () =>
  // randomUUID is there on secure pages only; a shop on a plain address in the house is none
  crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

/**
 * call sends a request until it is answered for good, and gives {status, body, etag, headers}. A refusal is thrown as a Problem.
 * A call that writes may name its key; without one it gets one.
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
      // One that names its checkout tells how that ended: sending it again would not change it.
      if (last || !passing.includes(response.status) || refused.checkout_id) throw refused;
      await pause(Math.max(1000 * Number(response.headers.get("Retry-After") ?? 0), backoff(attempt)), signal);
    } catch (error) {
      if (error instanceof Problem || signal?.aborted || last) throw error;
      await pause(backoff(attempt), signal); // the network: whether it took effect is open, and the key settles it
    }
  }
}

const quoted = (version) => `"${version}"`;
const backoff = (attempt) => Math.min(4000, 250 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);

/** pause waits, and no longer than the signal lets it. */
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

/** send is fetch, and tells of it. */
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
    body = { detail: "The answer could not be read." }; // a proxy may answer with anything
  }
  return { status: response.status, headers: response.headers, etag: response.headers.get("ETag"), body };
}
