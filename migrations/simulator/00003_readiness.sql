-- One row that a readiness probe writes: a probe that only reads cannot tell whether the server takes writes.
-- It exists where it was made under the number 2, which it shared with another file.
create table if not exists readiness (
    one boolean primary key default true check (one),
    at  timestamptz not null
) with (fillfactor = 10); -- room for updates in place (HOT)
