-- Operators search orders by e-mail address. The backfill finds the rows without a folded address, ordered by id; the index on
-- lower(email) finds those meanwhile.
create index concurrently contacts_email_folded on contacts (email_folded, id);
