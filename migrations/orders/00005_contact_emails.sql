-- The form for comparing addresses. The program computes it, since letter case differs between the locales of databases. Processes
-- of the version before write rows without it; the program fills it in.
alter table contacts add column email_folded text;
