-- The hash chain of the log. A seal covers the events between two positions: an entry of 64 bytes for each, with its position,
-- stream, version and digest. Its hash is that of the previous hash and the entries. Rows are only ever inserted.
create table seals (
    after   bigint primary key,   -- the last position of the previous seal; 0 for the first. Two processes cannot both continue a chain
    last    bigint not null,
    entries bytea not null,
    hash    bytea not null,
    at      timestamptz not null default now()
);

-- Digests do not compress.
alter table seals alter column entries set storage external;
