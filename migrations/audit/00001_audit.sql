-- Reasons that operators gave, apart from the events, so that they can be erased.
create table reasons (
    entry  uuid primary key,
    object text not null,
    text   text not null
);

-- An erasure finds the reasons of an object.
create index reasons_object on reasons (object);

-- Operators list entries, newest first: all, those of an actor, those of an action, and those about an object.
create index entries_newest on streams (created_at desc, id desc) where kind = 'audit';
create index entries_of_actor on streams (customer, created_at desc, id desc) where kind = 'audit';
create index entries_of_action on streams (status, created_at desc, id desc) where kind = 'audit';
create index entries_of_object on streams (key text_pattern_ops) where kind = 'audit';
