-- Refunds that nobody asked for through the API: made in the dashboard, or by a dispute that the shop lost.
create table refunds_elsewhere (
    id        text primary key,
    reference text not null,
    kind      text not null,                 -- refund or dispute
    amount    bigint not null,               -- minor units
    at        timestamptz not null default now()
);

-- "What of this payment was refunded elsewhere?"
create index refunds_elsewhere_reference on refunds_elsewhere (reference);
