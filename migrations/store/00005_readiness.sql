-- One row that a readiness probe writes: reading alone cannot tell whether the server accepts writes.
create table readiness (
    one boolean primary key default true check (one),
    at  timestamptz not null
) with (fillfactor = 10); -- room for updates in place (HOT)
