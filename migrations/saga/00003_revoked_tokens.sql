-- Ids of operators' tokens that were revoked. Every replica reads all of them each second. A row goes an hour after its token has
-- expired, at the next revocation.
create table revoked_tokens (
    id         text primary key,
    expires_at timestamptz not null,
    revoked_at timestamptz not null default now(),
    revoked_by text not null -- the subject of an operator
);
