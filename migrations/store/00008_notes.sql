-- Texts that people wrote, such as the reason of a refund. Events hold a reference instead, so that a text can be erased.
create table notes (
    id     uuid primary key,
    stream uuid not null, -- of the event
    text   text not null,
    at     timestamptz not null default now()
);

-- Erasure finds the notes of streams.
create index notes_stream on notes (stream);
