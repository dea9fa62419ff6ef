-- What payments keep beside their streams.

-- Webhooks as they came, once each, until somebody has woken their payment (and after that, as evidence).
create table webhooks (
    provider    text not null,
    id          text not null,               -- the provider's own id of the event
    type        text not null,
    reference   text not null,               -- the payment that it is about, as we named it to the provider
    body        bytea not null,              -- raw: the bytes that were signed
    received_at timestamptz not null default now(),
    handled_at  timestamptz,
    note        text,                        -- what became of it, where that is not plain
    attempts    int not null default 0,
    due_at      timestamptz not null default now(),
    primary key (provider, id)
);

-- "Which webhooks still have to wake their payment?"
create index webhooks_due on webhooks (due_at) where handled_at is null;
