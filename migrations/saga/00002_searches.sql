-- Operators search the sagas of a customer, newest first.
create index concurrently sagas_of_customer on streams (customer, created_at desc, id desc) where kind = 'saga';

-- Operators list failed and cancelled sagas, newest first. Most sagas complete, so it is small. A saga enters it at its end.
create index concurrently sagas_unsuccessful on streams (created_at desc, id desc) where kind = 'saga' and status in ('failed', 'cancelled');
