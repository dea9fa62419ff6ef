-- "Which webhooks came, newest first?": the operators' list, of all providers and of one.
create index concurrently webhooks_newest on webhooks (received_at desc, provider desc, id desc);
create index concurrently webhooks_newest_of_provider on webhooks (provider, received_at desc, id desc);

-- "Which webhooks came for this payment?": the list, and the timeline of an order.
create index concurrently webhooks_of_payment on webhooks (reference, received_at desc, provider desc, id desc);
