-- Rebuilds of a projection skip the messages that an operator discarded for the live generation.
create index concurrently parked_discarded on parked (reader, stream, version) where discarded_at is not null;
