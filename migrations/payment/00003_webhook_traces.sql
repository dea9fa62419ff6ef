-- The span of the request that delivered a webhook, as a W3C traceparent. The trace of the payment links to it.
alter table webhooks add column trace text;
