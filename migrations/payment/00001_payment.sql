-- Received webhooks, one row each. Their payment is woken once; afterwards they are kept as evidence.
create table webhooks (
    provider    text not null,
    id          text not null,               -- the provider's own id of the event
    type        text not null,
    reference   text not null,               -- the payment, by our reference at the provider
    body        bytea not null,              -- raw: the bytes that were signed
    received_at timestamptz not null default now(),
    handled_at  timestamptz,
    note        text,                        -- an explanation of the result, where one is needed
    attempts    int not null default 0,
    due_at      timestamptz not null default now(),
    primary key (provider, id)
);

-- The webhooks that still have to wake their payment.
create index webhooks_due on webhooks (due_at) where handled_at is null;
