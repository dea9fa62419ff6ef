-- Orders of which anything was refunded, in generations: operators look for them among all orders. The rows follow the log, and
-- its reader begins at the start of it, so a refund that a process of the version before makes is found too.
create table refunded_orders (
    generation int not null,
    id         uuid not null,        -- of the order
    created_at timestamptz not null, -- of the order
    whole      boolean not null,     -- whether all of the total was refunded
    primary key (generation, id)
);

-- "Which orders were refunded in part, or in full, newest first?"
create index refunded_orders_newest on refunded_orders (generation, whole, created_at desc, id desc);
