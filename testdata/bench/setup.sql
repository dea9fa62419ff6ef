-- What the two scripts work on: 10,000 carts and 1,000 stocks.
insert into cart.streams (id, version, kind, fold, state, customer, status, created_at, updated_at)
select md5('cart' || n)::uuid, 1, 'cart', 1, '{}', '0199c0de-0000-7000-8000-000000000001', 'open', now(), now() from generate_series(1, 10000) n;
insert into orders.streams (id, version, kind, fold, state, created_at, updated_at)
select md5('stock' || n)::uuid, 1, 'stock', 1, '{}', now(), now() from generate_series(1, 1000) n;
vacuum analyze;
