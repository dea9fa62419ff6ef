// A checkout as it happens.
//
// The server sends each change as a server-sent event. EventSource cannot send an Authorization header, so this reads the stream
// through fetch. A broken stream continues after the last event seen (Last-Event-ID). Without a stream this polls the checkout
// with "Prefer: wait": the server then answers after a change.

import { pause, send } from "./api.js";
import { as } from "./session.js";

/** over reports whether nothing more happens. A checkout that needs attention is not over: an operator will resolve it. */
export const over = (checkout) => ["completed", "failed", "cancelled"].includes(checkout.status);

/** follow calls heard(checkout, how) with each change, until the checkout is over or the signal ends it. */
export async function follow(id, token, heard, signal) {
  let last = null;
  for (let failures = 0; failures < 3;) {
    try {
      const had = await listen(id, token, last, signal, (checkout, eventID) => {
        [last, failures] = [eventID ?? last, 0];
        heard(checkout, "stream");
        return over(checkout);
      });
      if (had === "over" || signal.aborted) return;
      if (had === "none") break;
    } catch (error) {
      if (signal.aborted) return;
    }
    failures++;
    await pause(400 * failures, signal).catch(() => {});
  }
  await ask(id, heard, signal);
}

// listen reads one stream. It returns "over" when the checkout is, "ended" when the server closed the stream before, and "none"
// without a stream.
async function listen(id, token, last, signal, heard) {
  const headers = { Accept: "text/event-stream", Authorization: `Bearer ${token}`, ...(last ? { "Last-Event-ID": last } : {}) };
  const response = await send("GET", `/v1/checkouts/${id}/stream`, { headers, signal });
  if (response.status === 204) return "over"; // and nothing is new
  if (!response.ok || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) return "none";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let done = false;
  const parse = parser(({ event, data, id }) => {
    if (event === "checkout") done = heard(JSON.parse(data), id) || done;
  });
  for (;;) {
    const { value, done: ended } = await reader.read();
    if (ended) return done ? "over" : "ended";
    parse(value);
    if (done) {
      reader.cancel().catch(() => {});
      return "over";
    }
  }
}

/** parser reads server-sent events (event, data, id) from text that arrives in pieces. */
export function parser(heard) {
  let rest = "";
  let event = { event: "message", data: [], id: null };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length > 0) heard({ ...event, data: event.data.join("\n") });
        event = { event: "message", data: [], id: event.id };
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "data") event.data.push(value);
      else if (field === "event" || field === "id") event[field] = value;
    }
  };
}

// ask polls the checkout. The server holds each answer until there is a change.
async function ask(id, heard, signal) {
  let seen = null;
  while (!signal.aborted) {
    try {
      // No wait for the first answer, nor while the shopper is at the bank: the server does not hold those.
      const { body } = await as("GET", `/v1/checkouts/${id}`, { wait: seen?.status === "running" ? 10 : 0, signal });
      if (seen?.updated_at !== body.updated_at) heard(body, "asked");
      if (over(body)) return;
      seen = body;
      if (body.status !== "running") await pause(1000, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 404) throw error;
      await pause(1500, signal).catch(() => {});
    }
  }
}
