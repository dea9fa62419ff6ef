-- Sweeps find due messages above the low-water mark, every second, on every replica.
create index concurrently outbox_due on outbox (due_at);
