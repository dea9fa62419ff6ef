-- The outbox gives up on what fails again and again.

-- failures: attempts that failed for want of nothing but the reaction itself. So many, and the message is parked.
alter table outbox add column failures int not null default 0;
