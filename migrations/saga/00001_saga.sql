-- Operators list sagas, newest first.
create index sagas_newest on streams (created_at desc, id desc) where kind = 'saga';

-- Operators list sagas that need attention, and a gauge shows the age of the oldest one. Almost empty.
create index sagas_needing_attention on streams (created_at desc, id desc) where kind = 'saga' and status = 'needs_attention';
