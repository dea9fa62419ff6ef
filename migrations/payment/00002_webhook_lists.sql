-- Operators list webhooks, newest first, of all providers or of one.
create index concurrently webhooks_newest on webhooks (received_at desc, provider desc, id desc);
create index concurrently webhooks_newest_of_provider on webhooks (provider, received_at desc, id desc);

-- The webhooks of a payment: for the list, and for the timeline of an order.
create index concurrently webhooks_of_payment on webhooks (reference, received_at desc, provider desc, id desc);
