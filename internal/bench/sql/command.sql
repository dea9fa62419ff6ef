-- One cart command as one statement: the rows that the program writes for a changed quantity, one transaction a command.
\set n random(1, 10000)
with s as (
    update cart.streams set version = version + 1, state = '{"customer_id":"0199c0de-0000-7000-8000-000000000001","currency":"GBP","status":"open","lines":[{"sku":"100000","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":255}],"attempt":0,"checkout_id":"00000000-0000-0000-0000-000000000000","merged_into":"00000000-0000-0000-0000-000000000000"}', updated_at = now()
    where id = md5('cart' || :n)::uuid returning id, version
), e as (
    insert into cart.events (position, stream, version, type, data, meta, at)
    select nextval('cart.position'), id, version, 'cart.quantity_changed', '{"sku":"100000","quantity":6000}',
        '{"event_id":"0199c0de-0000-7000-8000-000000000002","correlation":"0199c0de-0000-7000-8000-000000000003","causation":"0199c0de-0000-7000-8000-000000000004","actor":"0199c0de-0000-7000-8000-000000000001"}', now() from s
)
insert into cart.receipts (id, fingerprint, stream, version, status, at)
select gen_random_uuid(), '\x00112233445566778899aabbccddeeff', id, version, 0, now() from s;
