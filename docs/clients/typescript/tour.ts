// A purchase through a client that is generated from the API document: e2e/docs/clients_test.go runs it against the real program.
//
//	npx openapi-typescript http://localhost:8080/openapi.json -o api.d.ts
//	node tour.js http://localhost:8080 "$(shopping-cart token --admin)"
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Checkout = components["schemas"]["Checkout"];

declare const process: { argv: string[] };
const [base, operatorToken] = process.argv.slice(2);

function clientOf(token?: string) {
  const client = createClient<paths>({ baseUrl: base });
  const authorize: Middleware = {
    onRequest({ request }) {
      if (token) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  };
  client.use(authorize);
  return client;
}

// good is what an answer holds; a refusal is an error.
function good<T>(answer: { data?: T; error?: unknown; response: Response }, ...statuses: number[]): T {
  if (answer.error !== undefined || !statuses.includes(answer.response.status)) {
    throw new Error(`${answer.response.status} ${answer.response.url}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data as T;
}

function expect(what: string, is: unknown, wanted: unknown) {
  if (JSON.stringify(is) !== JSON.stringify(wanted)) {
    throw new Error(`${what} is ${JSON.stringify(is)}, and should be ${JSON.stringify(wanted)}`);
  }
}

const operator = clientOf(operatorToken);
const gbp = (amount: number) => ({ amount, currency: "GBP" });
const sku = `Teapot ${crypto.randomUUID().slice(0, 8)}`;

// The shop sells a teapot and has 100 of them.
good(await operator.PUT("/v1/products/{sku}", { params: { path: { sku } }, body: { name: "Teapot", price: gbp(1999) } }), 201);
good(await operator.PUT("/v1/stock/{sku}", { params: { path: { sku } }, body: { on_hand: 100 } }), 200);

// A guest fills carts and checks out what they saw.
const session = good(await clientOf().POST("/v1/sessions"), 201);
const shopper = clientOf(session.token);

async function fill(quantity: number) {
  const { id } = good(await shopper.POST("/v1/carts", { body: { currency: "GBP" } }), 201);
  return good(await shopper.POST("/v1/carts/{id}/items", { params: { path: { id } }, body: { sku, quantity } }), 200);
}

function pay(cart: { id: string; version: number }, method: string, key: string = crypto.randomUUID()) {
  return shopper.POST("/v1/carts/{id}/checkout", {
    params: {
      path: { id: cart.id },
      header: { "Idempotency-Key": key, "If-Match": `"${cart.version}"`, Prefer: "wait=20" },
    },
    body: { payment_method: method, email: "ada@example.com" },
  });
}

const first = await fill(2);
expect("the total", first.total, gbp(3998));
const key = crypto.randomUUID();
const bought = good(await pay(first, "sim_ok", key), 201);
expect("the checkout", bought.status, "completed");

// Sent again it is the same checkout.
const again = await pay(first, "sim_ok", key);
expect("the checkout", good(again, 201).id, bought.id);
expect("the mark of a replay", again.response.headers.get("Idempotent-Replayed"), "true");

// A declined card leaves the cart open.
const second = await fill(3);
const declined = await pay(second, "sim_declined");
expect("the refusal", [declined.response.status, declined.error?.code], [402, "payment_declined"]);
const seen = good(await shopper.GET("/v1/carts/{id}", { params: { path: { id: second.id } } }), 200);
expect("the cart", seen.status, "open");

// Another card wants 3-D Secure. The shopper says yes at their bank; the stream tells how the checkout goes on.
const asked = good(await pay(seen, "sim_requires_action"), 202);
expect("the checkout", asked.status, "requires_action");
const following = follow(asked.id);
good(await clientOf().POST("/simulator/payments/{reference}/approve", { params: { path: { reference: asked.payment_id! } } }), 200);
const told = await following;
expect("what was told last", told.at(-1)?.status, "completed");

async function follow(id: string): Promise<Checkout[]> {
  const { data, response } = await shopper.GET("/v1/checkouts/{id}/stream", { params: { path: { id } }, parseAs: "stream" });
  expect("the kind of the stream", response.headers.get("Content-Type"), "text/event-stream");
  const events: Checkout[] = [];
  let text = "";
  for await (const chunk of (data as unknown as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const line = text.slice(0, end).split("\n").find((l) => l.startsWith("data: "));
      if (line) events.push(JSON.parse(line.slice("data: ".length)));
      text = text.slice(end + 2);
    }
  }
  return events;
}

// A provider whose answers are lost charges once.
const third = good(await pay(await fill(1), "sim_timeout_applied"), 201, 202);
const ledger = good(await operator.GET("/simulator/ledger", { params: { query: { reference: third.payment_id! } } }), 200);
expect("the ledger", ledger.data.filter((e) => e.operation === "capture").length <= 1, true);

// 5 pounds go back, then the order is cancelled.
const id = asked.order_id;
const refund = good(await operator.POST("/v1/orders/{id}/refunds", {
  params: { path: { id }, header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { amount: gbp(500), reason: "The handle was loose." },
}), 201, 202);
expect("the refund", refund.amount, gbp(500));
good(await shopper.POST("/v1/orders/{id}/cancel", {
  params: { path: { id }, header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { reason: "I found a nicer one." },
}), 202);
for (;;) {
  const order = good(await shopper.GET("/v1/orders/{id}", { params: { path: { id } } }), 200);
  if (order.status === "cancelled") {
    expect("what was refunded", order.refunded, gbp(5997));
    break;
  }
  await new Promise((done) => setTimeout(done, 100));
}
const timeline = good(await shopper.GET("/v1/orders/{id}/timeline", { params: { path: { id }, query: { limit: 100 } } }), 200);
expect("the timeline ends with the refund", timeline.data.some((e) => e.type === "payment.refunded"), true);
const verdict = good(await operator.GET("/v1/admin/reconciliation"), 200);
expect("what does not hold", verdict.data, []);
console.log("toured");
