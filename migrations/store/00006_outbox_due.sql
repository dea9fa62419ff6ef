-- The outbox is swept by time.

-- "What is due, from the low-water mark on?": sweeps, every second, on every replica.
create index concurrently outbox_due on outbox (due_at);
