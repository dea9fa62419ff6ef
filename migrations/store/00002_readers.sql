-- Readers that park what they cannot apply, and projections that are rebuilt beside themselves.

-- generation: which of a projection's rows are live; whoever reads them selects it in the same query. A rebuild is a
-- row of its own, "<name>@<the generation that it makes>". Of generations up to cleared, no rows are left.
alter table subscriptions
    add column generation int not null default 1,
    add column cleared    int not null default 0;

-- Messages that a reader of the log, or a reaction, could not handle. For a reader, later messages of the stream wait here
-- too: they have no next_at until all before them are applied or discarded.
create table parked (
    id           uuid primary key,     -- UUIDv7: lists go by it
    reader       text not null,        -- the subscription, or the reaction
    stream       uuid not null,
    version      bigint not null,      -- of the stream: the message is in events
    attempts     int not null,
    error        text,                 -- of the last attempt
    parked_at    timestamptz not null,
    next_at      timestamptz,          -- the next attempt
    discarded_at timestamptz,          -- given up by a person; kept as evidence
    discarded_by text,
    reason       text
);

-- "Is this stream parked for this reader, and what comes next in it?" And a message is parked once.
create unique index parked_open on parked (reader, stream, version) where discarded_at is null;
-- "What is to be tried again now?"
create index parked_due on parked (reader, next_at) where next_at is not null;
