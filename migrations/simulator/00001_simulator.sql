-- The books of the simulated payment provider.

-- One row a payment, by the reference that the merchant chose. It is the lock of every call about it.
create table payments (
    reference text primary key,
    token     text not null,                 -- the payment method: how this payment behaves
    amount    bigint not null,               -- minor units
    currency  text not null,
    status    text not null,                 -- none, waiting, authorized, captured, voided, declined
    code      text not null default '',      -- why it was declined
    answered  text not null default '',      -- what the shopper said at the bank: approve or deny
    captured  bigint not null default 0,
    refunded  bigint not null default 0,
    at        timestamptz not null default now()
);

-- One row an idempotency key. The same key gets the same answer; the row makes twins wait for each other.
create table calls (
    key       text primary key,
    reference text not null,
    operation text not null,                 -- authorize, capture, void or refund
    attempts  int not null default 1,
    answer    json,                          -- null: nothing took effect yet
    refund    bigint not null default 0,     -- minor units, of a refund that took effect
    at        timestamptz not null default now()
);

-- "Which refunds of this payment took effect?"
create index calls_refunds on calls (reference) where refund > 0;

-- What took effect. Rows are only ever added.
create table ledger (
    id        bigint generated always as identity primary key,
    reference text not null,
    operation text not null,
    amount    bigint not null,
    currency  text not null,
    at        timestamptz not null default now()
);

-- "What happened to this payment?"
create index ledger_reference on ledger (reference, id);

-- Webhooks to deliver, one row a delivery.
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

-- "What is to be delivered now?"
create index webhooks_due on webhooks (due_at) where delivered_at is null;
