-- Refunds made outside the API: in the dashboard, or by a dispute that the shop lost.
create table refunds_elsewhere (
    id        text primary key,
    reference text not null,
    kind      text not null,                 -- refund or dispute
    amount    bigint not null,               -- minor units
    at        timestamptz not null default now()
);

-- The refunds of a payment made elsewhere.
create index refunds_elsewhere_reference on refunds_elsewhere (reference);
