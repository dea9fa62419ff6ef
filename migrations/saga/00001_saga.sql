-- "Which sagas are there, newest first?": the operators' list.
create index sagas_newest on streams (created_at desc, id desc) where kind = 'saga';

-- "Which sagas need a person?": the gauge of the oldest one, and the operators' list. Almost empty.
create index sagas_needing_attention on streams (created_at desc, id desc) where kind = 'saga' and status = 'needs_attention';
