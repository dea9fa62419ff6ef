-- One row that a readiness probe writes: reading alone cannot tell whether the server accepts writes.
-- The table may exist: it was also created under number 2, shared with another file.
create table if not exists readiness (
    one boolean primary key default true check (one),
    at  timestamptz not null
) with (fillfactor = 10); -- room for updates in place (HOT)
