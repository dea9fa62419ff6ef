-- The store of one module: every module schema has these tables.

-- One row is the lock, the snapshot, the read model by id, and what lists and timers read.
create table streams (
    id         uuid primary key,
    version    bigint not null,
    kind       text not null,
    fold       smallint not null, -- version of the fold that made state; another one is refolded from the events
    state      json not null,     -- json, not jsonb: no query looks inside on the write path
    customer   text,
    status     text,
    key        text,              -- what people call it by, such as an order's number
    wake_at    timestamptz,       -- a timer: someone must look at this stream then
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 80);         -- room for updates in place (HOT): most touch no indexed column

-- "What is due?": sweeps of timers, on every replica.
create index streams_wake_at on streams (wake_at) where wake_at is not null;
-- "The order with this number."
create unique index streams_key on streams (kind, key) where key is not null;

create sequence position;

-- The log. Positions appear in commit order, so "after position N" misses nothing.
create table events (
    position bigint primary key,
    stream   uuid not null,
    version  bigint not null,
    type     text not null,
    data     json not null,
    meta     json not null,
    at       timestamptz not null,
    unique (stream, version)      -- the last line of defence: a stream never forks
);

-- Events that a reaction must still see. Keyed without the position: written before the position is drawn.
create table outbox (
    stream   uuid not null,
    version  bigint not null,
    due_at   timestamptz not null, -- when a sweep may take it up
    attempts int not null default 0,
    primary key (stream, version)
);

-- Commands that took effect: how a repeated one is known.
create table receipts (
    id          uuid primary key,
    fingerprint bytea,             -- of the request; null for commands of our own
    stream      uuid not null,
    version     bigint not null,
    status      smallint not null,
    at          timestamptz not null
);

-- Readers of the log and how far they are.
create table subscriptions (
    name       text primary key,
    position   bigint not null,
    updated_at timestamptz not null default now()
);
