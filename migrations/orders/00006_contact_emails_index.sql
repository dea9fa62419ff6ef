-- "Whose address is this?": operators search orders by e-mail. And "which rows have no folded address yet?", in the order of their
-- ids. The index on lower(email) finds those meanwhile.
create index concurrently contacts_email_folded on contacts (email_folded, id);
