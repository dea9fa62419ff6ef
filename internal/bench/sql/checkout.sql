-- A checkout as five transactions of one statement each: the rows that the program's ten commands write, 15 events among them.
\set n random(1, 10000)
\set s random(1, 1000)
\set k random(1, 1000000000000000)

-- 1: store the contact, seal the cart
with c as (
    insert into orders.contacts (id, customer, email, email_folded, shipping_address, created_at)
    values (gen_random_uuid(), '0199c0de-0000-7000-8000-000000000001', 'ada@example.com', 'ada@example.com', null, now()) returning id
), cr as (
    insert into orders.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, '00000000-0000-0000-0000-000000000000', 0, 0, now() from c
), s as (
    update cart.streams set version = version + 1, state = '{"customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","status":"checking_out","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"attempt":1,"checkout_id":"0199c0de-0000-7000-8000-000000000005","merged_into":"00000000-0000-0000-0000-000000000000"}', status = 'checking_out', updated_at = now()
    where id = md5('cart' || :n)::uuid returning id, version
), e as (
    insert into cart.events (position, stream, version, type, data, meta, at)
    select nextval('cart.position'), id, version, 'cart.checked_out', '{"checkout_id":"0199c0de-0000-7000-8000-000000000005","order_id":"0199c0de-0000-7000-8000-000000000007","payment_id":"0199c0de-0000-7000-8000-000000000008","attempt":1,"cart_id":"0199c0de-0000-7000-8000-000000000006","customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"adjustments":[],"total":1530,"payment_method":"sim_ok","contact_id":"0199c0de-0000-7000-8000-000000000009"}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"0199c0de-0000-7000-8000-000000000001"}', now() from s
), b as (
    insert into cart.outbox (stream, version, due_at) select id, version, now() + interval '5 seconds' from s
)
insert into cart.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), '\x00112233445566778899aabbccddeeff', id, version, 0, now() from s;

-- 2: the saga starts, the message is handled
with s as (
    insert into saga.streams (id, version, kind, fold, state, customer, status, key, wake_at, created_at, updated_at)
    values (md5('saga' || :k)::uuid, 1, 'saga', 1, '{"type":"checkout","definition":1,"customer_id":"0199c0de-0000-7000-8000-000000000001","checkout":{"checkout_id":"0199c0de-0000-7000-8000-000000000005","cart_id":"0199c0de-0000-7000-8000-000000000006","order_id":"0199c0de-0000-7000-8000-000000000007","payment_id":"0199c0de-0000-7000-8000-000000000008","contact_id":"0199c0de-0000-7000-8000-000000000009","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"total":1530,"payment_method":"sim_ok"},"status":"running","steps":[],"at":"2026-01-01T00:00:00.000001Z"}', '0199c0de-0000-7000-8000-000000000001', 'running', null, now() + interval '15 seconds', now(), now()) returning id
), e as (
    insert into saga.events (position, stream, version, type, data, meta, at)
    select nextval('saga.position'), id, 1, 'saga.started', '{"type":"checkout","definition":1,"customer_id":"0199c0de-0000-7000-8000-000000000001","checkout":{"checkout_id":"0199c0de-0000-7000-8000-000000000005","cart_id":"0199c0de-0000-7000-8000-000000000006","order_id":"0199c0de-0000-7000-8000-000000000007","payment_id":"0199c0de-0000-7000-8000-000000000008","contact_id":"0199c0de-0000-7000-8000-000000000009","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"total":1530,"payment_method":"sim_ok"},"at":"2026-01-01T00:00:00.000001Z"}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"0199c0de-0000-7000-8000-000000000001"}', now() from s
), b as (
    delete from cart.outbox where stream = md5('cart' || :n)::uuid
)
insert into saga.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, 1, 0, now() from s;

-- 3: the order is placed, the stock reserved
with s as (
    insert into orders.streams (id, version, kind, fold, state, customer, status, key, wake_at, created_at, updated_at)
    values (md5('order' || :k)::uuid, 1, 'order', 1, '{"status":"pending","number":"1000009","checkout_id":"0199c0de-0000-7000-8000-000000000005","payment_id":"0199c0de-0000-7000-8000-000000000008","cart_id":"0199c0de-0000-7000-8000-000000000006","customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255,"tracked": true}],"adjustments": null,"total":1530,"contact_id":"0199c0de-0000-7000-8000-000000000009"}', '0199c0de-0000-7000-8000-000000000001', 'pending', :k, null, now(), now()) returning id
), e as (
    insert into orders.events (position, stream, version, type, data, meta, at)
    select nextval('orders.position'), id, 1, 'order.placed', '{"number":"1000009","checkout_id":"0199c0de-0000-7000-8000-000000000005","payment_id":"0199c0de-0000-7000-8000-000000000008","cart_id":"0199c0de-0000-7000-8000-000000000006","customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255,"tracked": true}],"adjustments": null,"total":1530,"contact_id":"0199c0de-0000-7000-8000-000000000009"}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from s
), k as (
    update orders.streams set version = version + 1, state = '{"sku":"100000","on_hand":1000000000,"reserved":1000}', updated_at = now()
    where id = md5('stock' || :s)::uuid returning id, version
), ke as (
    insert into orders.events (position, stream, version, type, data, meta, at)
    select nextval('orders.position'), id, version, 'stock.reserved', '{"order_id":"0199c0de-0000-7000-8000-000000000007","quantity":6}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from k
)
insert into orders.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, 1, 0, now() from s;

-- 4: the payment is authorized and captured
with s as (
    insert into payment.streams (id, version, kind, fold, state, customer, status, key, wake_at, created_at, updated_at)
    values (md5('payment' || :k)::uuid, 4, 'payment', 1, '{"order_id":"0199c0de-0000-7000-8000-000000000007","checkout_id":"0199c0de-0000-7000-8000-000000000005","customer_id":"0199c0de-0000-7000-8000-000000000001","amount":{"amount":1530,"currency":"GBP"},"method":"sim_ok","provider":"outside-world","provider_reference":"0199c0de-0000-7000-8000-000000000008","requested_at":"2026-01-01T00:00:00.000001Z","authorization":"done","capture":"done","capture_at":"2026-01-01T00:00:00.000002Z","captured":1530}', '0199c0de-0000-7000-8000-000000000001', 'captured', null, null, now(), now()) returning id
), e as (
    insert into payment.events (position, stream, version, type, data, meta, at)
    select nextval('payment.position'), id, v, type, data::json, '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from s, (values
        (1, 'payment.requested', '{"order_id":"0199c0de-0000-7000-8000-000000000007","checkout_id":"0199c0de-0000-7000-8000-000000000005","customer_id":"0199c0de-0000-7000-8000-000000000001","amount":{"amount":1530,"currency":"GBP"},"method":"sim_ok","provider":"outside-world","at":"2026-01-01T00:00:00.000001Z"}'),
        (2, 'payment.authorized', '{"provider_reference":"0199c0de-0000-7000-8000-000000000008"}'),
        (3, 'payment.capture_requested', '{"at":"2026-01-01T00:00:00.000001Z"}'),
        (4, 'payment.captured', '{"amount":1530}')) what(v, type, data)
)
insert into payment.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, v, 0, now() from s, (values (1), (3), (4)) what(v);

-- 5: the order is confirmed, the cart completed, the saga ended
with o as (
    update orders.streams set version = version + 1, state = '{"status":"confirmed","number":"1000009","checkout_id":"0199c0de-0000-7000-8000-000000000005","payment_id":"0199c0de-0000-7000-8000-000000000008","cart_id":"0199c0de-0000-7000-8000-000000000006","customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255,"tracked": true}],"adjustments": null,"total":1530,"contact_id":"0199c0de-0000-7000-8000-000000000009"}', status = 'confirmed', updated_at = now()
    where id = md5('order' || :k)::uuid returning id, version
), oe as (
    insert into orders.events (position, stream, version, type, data, meta, at)
    select nextval('orders.position'), id, version, 'order.confirmed', '{"currency":"GBP","total":1530}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from o
), orc as (
    insert into orders.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, version, 0, now() from o
), c as (
    update cart.streams set version = version + 1, state = '{"customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","status":"checked_out","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"attempt":1,"checkout_id":"0199c0de-0000-7000-8000-000000000005","merged_into":"00000000-0000-0000-0000-000000000000"}', status = 'checked_out', updated_at = now()
    where id = md5('cart' || :n)::uuid returning id, version
), ce as (
    insert into cart.events (position, stream, version, type, data, meta, at)
    select nextval('cart.position'), id, version, 'cart.completed', '{"checkout_id":"0199c0de-0000-7000-8000-000000000005","order_id":"0199c0de-0000-7000-8000-000000000007"}', '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from c
), cr as (
    insert into cart.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, version, 0, now() from c
), s as (
    update saga.streams set version = 6, state = '{"type":"checkout","definition":1,"customer_id":"0199c0de-0000-7000-8000-000000000001","checkout":{"checkout_id":"0199c0de-0000-7000-8000-000000000005","cart_id":"0199c0de-0000-7000-8000-000000000006","order_id":"0199c0de-0000-7000-8000-000000000007","payment_id":"0199c0de-0000-7000-8000-000000000008","contact_id":"0199c0de-0000-7000-8000-000000000009","currency":"GBP","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"total":1530,"payment_method":"sim_ok"},"status":"completed","steps":[{"name":"order.place","status":"done","attempts":1,"started_at":"2026-01-01T00:00:00.000001Z","finished_at":"2026-01-01T00:00:00.000002Z"},{"name":"payment.charge","status":"done","attempts":1,"started_at":"2026-01-01T00:00:00.000001Z","finished_at":"2026-01-01T00:00:00.000002Z"},{"name":"order.confirm","status":"done","attempts":1,"started_at":"2026-01-01T00:00:00.000001Z","finished_at":"2026-01-01T00:00:00.000002Z"},{"name":"cart.complete","status":"done","attempts":1,"started_at":"2026-01-01T00:00:00.000001Z","finished_at":"2026-01-01T00:00:00.000002Z"}],"at":"2026-01-01T00:00:00.000001Z"}', status = 'completed', wake_at = null, updated_at = now()
    where id = md5('saga' || :k)::uuid returning id
), se as (
    insert into saga.events (position, stream, version, type, data, meta, at)
    select nextval('saga.position'), id, v, type, data::json, '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"saga"}', now() from s, (values
        (2, 'saga.step_done', '{"step":"order.place","began_at":"2026-01-01T00:00:00.000001Z","at":"2026-01-01T00:00:00.000002Z"}'),
        (3, 'saga.step_done', '{"step":"payment.charge","began_at":"2026-01-01T00:00:00.000001Z","at":"2026-01-01T00:00:00.000002Z"}'),
        (4, 'saga.step_done', '{"step":"order.confirm","began_at":"2026-01-01T00:00:00.000001Z","at":"2026-01-01T00:00:00.000002Z"}'),
        (5, 'saga.step_done', '{"step":"cart.complete","began_at":"2026-01-01T00:00:00.000001Z","at":"2026-01-01T00:00:00.000002Z"}'),
        (6, 'saga.ended', '{"status":"completed","at":"2026-01-01T00:00:00.000001Z"}')) what(v, type, data)
)
insert into saga.receipts (id, fingerprint, stream, version, status, at)
    select gen_random_uuid(), null, id, 6, 0, now() from s;
