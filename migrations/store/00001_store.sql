-- The store of one module: every module schema has these tables.

-- A row is the lock of a stream, its snapshot, its read model by id, and its entry in lists and timers.
create table streams (
    id         uuid primary key,
    version    bigint not null,
    kind       text not null,
    fold       smallint not null, -- version of the fold that made state; an outdated state is rebuilt from the events
    state      json not null,     -- json, not jsonb: no query on the write path reads its members
    customer   text,
    status     text,
    key        text,              -- a readable name, such as an order's number
    wake_at    timestamptz,       -- a timer: the stream is processed then
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 80);         -- room for updates in place (HOT): most touch no indexed column

-- Sweeps find due timers, on every replica.
create index streams_wake_at on streams (wake_at) where wake_at is not null;
-- Finds an order by its number.
create unique index streams_key on streams (kind, key) where key is not null;

create sequence position;

-- The log. Positions become visible in commit order, so reading "after position N" misses nothing.
create table events (
    position bigint primary key,
    stream   uuid not null,
    version  bigint not null,
    type     text not null,
    data     json not null,
    meta     json not null,
    at       timestamptz not null,
    unique (stream, version)      -- ensures that a stream never forks
);

-- Events that reactions must still process. The key has no position: rows are written before the position is drawn.
create table outbox (
    stream   uuid not null,
    version  bigint not null,
    due_at   timestamptz not null, -- when a sweep may redeliver it
    attempts int not null default 0,
    primary key (stream, version)
);

-- Processed commands, to recognize repeated ones.
create table receipts (
    id          uuid primary key,
    fingerprint bytea,             -- of the request; null for commands of our own
    stream      uuid not null,
    version     bigint not null,
    status      smallint not null,
    at          timestamptz not null
);

-- Projections and their positions in the log.
create table subscriptions (
    name       text primary key,
    position   bigint not null,
    updated_at timestamptz not null default now()
);
