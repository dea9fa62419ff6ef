-- What operators look for among many sagas.

-- "Which sagas are of this customer, newest first?"
create index concurrently sagas_of_customer on streams (customer, created_at desc, id desc) where kind = 'saga';

-- "Which sagas came to nothing, newest first?" Most complete, so it is small; a saga enters it at its end.
create index concurrently sagas_unsuccessful on streams (created_at desc, id desc) where kind = 'saga' and status in ('failed', 'cancelled');
