-- Parked messages, and rebuilds of projections beside the live ones.

-- generation: the live rows of a projection; queries select it together with the rows. A rebuild has its own row,
-- "<name>@<new generation>". The rows of generations up to cleared are deleted.
alter table subscriptions
    add column generation int not null default 1,
    add column cleared    int not null default 0;

-- Messages that a projection or a reaction could not process. For a projection, later messages of the stream wait here too:
-- they have no next_at until all earlier ones are applied or discarded.
create table parked (
    id           uuid primary key,     -- UUIDv7: lists go by it
    reader       text not null,        -- the subscription, or the reaction
    stream       uuid not null,
    version      bigint not null,      -- of the stream: the message is in events
    attempts     int not null,
    error        text,                 -- of the last attempt
    parked_at    timestamptz not null,
    next_at      timestamptz,          -- the next attempt
    discarded_at timestamptz,          -- discarded by an operator; kept as evidence
    discarded_by text,
    reason       text
);

-- Finds the parked messages of a stream for a projection, and the next one. Unique: a message is parked once.
create unique index parked_open on parked (reader, stream, version) where discarded_at is null;
-- The messages due for a retry.
create index parked_due on parked (reader, next_at) where next_at is not null;
