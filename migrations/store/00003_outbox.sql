-- failures: attempts that failed because of the reaction itself. After a number of them the message is parked.
alter table outbox add column failures int not null default 0;
