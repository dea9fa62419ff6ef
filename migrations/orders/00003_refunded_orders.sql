-- Orders with a refund, in generations: operators search for them among all orders. The projection begins at the start of the log,
-- so it includes refunds by processes of the version before.
create table refunded_orders (
    generation int not null,
    id         uuid not null,        -- of the order
    created_at timestamptz not null, -- of the order
    whole      boolean not null,     -- true: the whole total was refunded
    primary key (generation, id)
);

-- Operators list the orders refunded in part or in full, newest first.
create index refunded_orders_newest on refunded_orders (generation, whole, created_at desc, id desc);
