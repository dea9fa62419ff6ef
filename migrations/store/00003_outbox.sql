-- The outbox is swept by time, and gives up on what fails again and again.

-- failures: attempts that failed for want of nothing but the reaction itself. So many, and the message is parked.
alter table outbox add column failures int not null default 0;

-- "What is due, from the low-water mark on?": sweeps, every second, on every replica.
create index outbox_due on outbox (due_at);
