-- The records of the simulated payment provider.

-- One row per payment, by the merchant's reference. Every call about the payment locks it.
create table payments (
    reference text primary key,
    token     text not null,                 -- the payment method: how this payment behaves
    amount    bigint not null,               -- minor units
    currency  text not null,
    status    text not null,                 -- none, waiting, authorized, captured, voided, declined
    code      text not null default '',      -- why it was declined
    answered  text not null default '',      -- the shopper's answer at the bank: approve or deny
    captured  bigint not null default 0,
    refunded  bigint not null default 0,
    at        timestamptz not null default now()
);

-- One row per idempotency key. The same key gets the same answer. Concurrent calls with one key wait for each other.
create table calls (
    key       text primary key,
    reference text not null,
    operation text not null,                 -- authorize, capture, void or refund
    attempts  int not null default 1,
    answer    json,                          -- null: nothing took effect yet
    refund    bigint not null default 0,     -- minor units, of a refund that took effect
    at        timestamptz not null default now()
);

-- The refunds of a payment that took effect.
create index calls_refunds on calls (reference) where refund > 0;

-- Operations that took effect. Append-only.
create table ledger (
    id        bigint generated always as identity primary key,
    reference text not null,
    operation text not null,
    amount    bigint not null,
    currency  text not null,
    at        timestamptz not null default now()
);

-- The history of a payment.
create index ledger_reference on ledger (reference, id);

-- Webhooks to deliver, one row per delivery.
create table webhooks (
    id           bigint generated always as identity primary key,
    event        text not null,              -- the id of the event: the same for both deliveries of a duplicate
    type         text not null,
    reference    text not null,
    body         text not null,
    attempts     int not null default 0,
    due_at       timestamptz not null default now(),
    delivered_at timestamptz
);

-- The deliveries that are due.
create index webhooks_due on webhooks (due_at) where delivered_at is null;
