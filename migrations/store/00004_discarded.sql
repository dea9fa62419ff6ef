-- Messages that a person discarded, for the rebuilds of the projection: they do not ask again.

-- "Was this message discarded for the live generation?"
create index concurrently parked_discarded on parked (reader, stream, version) where discarded_at is not null;
