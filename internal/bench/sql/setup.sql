-- The data of the scripts: 10,000 carts of one line and 1,000 stocks.
insert into cart.streams (id, version, kind, fold, state, customer, status, created_at, updated_at)
select md5('cart' || n)::uuid, 2, 'cart', 1, '{"customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","status":"open","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"attempt":0,"checkout_id":"00000000-0000-0000-0000-000000000000","merged_into":"00000000-0000-0000-0000-000000000000"}',
    '0199c0de-0000-7000-8000-000000000001', 'open', now(), now() from generate_series(1, 10000) n;
insert into orders.streams (id, version, kind, fold, state, created_at, updated_at)
select md5('stock' || n)::uuid, 1, 'stock', 1, '{}', now(), now() from generate_series(1, 1000) n;
alter table cart.events alter position set default nextval('cart.position');
vacuum analyze;
