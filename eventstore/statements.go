package eventstore

import "strings"

const noID = `'00000000-0000-0000-0000-000000000000'::uuid`

// statements holds the SQL of a store for one schema.
type statements struct {
	lock, read, receipts              string // first round trip
	locked                            string // finds streams that other sessions have locked
	readOne, readWithin               string
	insert, update                    string // second round trip
	fastRead                          string // first round trip of the fast path
	fastInsert, fastUpdate            string // second round trip of the fast path
	putReceipts, putOutbox, putEvents string
	dropOutbox                        string
	stream, history                   string
	log, logOfStream, logOfType       string
	messages                          string
}

func statementsOf(schema string) statements {
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema) }
	fastInsert, fastUpdate := fastStatements(schema)
	return statements{
		fastRead: in(`select clock_timestamp(), r.id is not null, r.fingerprint, coalesce(r.stream, ` + noID + `), coalesce(r.version, 0), coalesce(r.status, 0::int2),
				coalesce(s.id, ` + noID + `), coalesce(s.version, 0), coalesce(s.kind, ''), coalesce(s.fold, 0::int2),
				s.state, coalesce(s.created_at, 'epoch'), coalesce(s.updated_at, 'epoch')
			from (select) one left join @.receipts r on r.id = $2 left join @.streams s on s.id = any($1)`),
		fastInsert: fastInsert, fastUpdate: fastUpdate,
		// The rows are sorted before they are locked, so all batches lock in the order of the ids and cannot deadlock.
		lock: in(`select ` + rowColumns + ` from @.streams where id = any($1) order by id for no key update`),
		locked: in(`with free as materialized (select id from @.streams where id = any($1) order by id for no key update skip locked)
			select id from @.streams where id = any($1) and id not in (select id from free)`),
		read: in(`select ` + rowColumns + ` from @.streams where id = any($1)`),
		// A state is NULL once the states before it have $2 bytes, so a list of large states ends early. The rows come in the
		// order of the ids.
		readWithin: in(`select id, version, kind, fold, case when before < $2 then state end, created_at, updated_at
			from (select s.*, o, sum(octet_length(s.state::text)) over (order by o) - octet_length(s.state::text) as before
				from unnest($1::uuid[]) with ordinality u(i, o) join @.streams s on s.id = u.i) x order by o`),
		// Unlike a query for a list of ids, this one is not planned again for each call.
		readOne:  in(`select ` + rowColumns + ` from @.streams where id = $1`),
		receipts: in(`select id, fingerprint, stream, version, status from @.receipts where id = any($1)`),

		insert: in(`insert into @.streams (id, version, kind, fold, state, customer, status, key, wake_at, created_at, updated_at)
			select i, v, k, f, s, nullif(c, ''), nullif(st, ''), nullif(y, ''),
				case when w <> 0 then timestamptz 'epoch' + w * interval '1 microsecond' end, $10::timestamptz, $10::timestamptz
			from unnest($1::uuid[], $2::int8[], $3::text[], $4::int2[], $5::json[], $6::text[], $7::text[], $8::text[], $9::int8[])
				u(i, v, k, f, s, c, st, y, w)`),
		update: in(`update @.streams t set version = v, fold = f, state = s, customer = nullif(c, ''), status = nullif(st, ''),
				key = nullif(y, ''), wake_at = case when w <> 0 then timestamptz 'epoch' + w * interval '1 microsecond' end, updated_at = $9
			from unnest($1::uuid[], $2::int8[], $3::int2[], $4::json[], $5::text[], $6::text[], $7::text[], $8::int8[])
				u(i, v, f, s, c, st, y, w) where t.id = i`),
		putReceipts: in(`insert into @.receipts (id, fingerprint, stream, version, status, at)
			select i, f, s, v, st, $6::timestamptz from unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::int8[], $5::int2[]) u(i, f, s, v, st)`),
		putOutbox: in(`insert into @.outbox (stream, version, due_at)
			select s, v, $3::timestamptz + interval '5 seconds' from unnest($1::uuid[], $2::int8[]) u(s, v)`),
		dropOutbox: in(`delete from @.outbox o using unnest($1::uuid[], $2::int8[]) u(s, v) where o.stream = s and o.version = v`),
		// The position lock is taken last and held until the commit. The position is drawn above the join with the lock, so after
		// it. So positions become visible in the order in which they are drawn.
		putEvents: in(`with l as materialized (select pg_advisory_xact_lock(hashtext('@.position')))
			insert into @.events (position, stream, version, type, data, meta, at)
			select nextval('@.position'), s, v, t, d, m, $6::timestamptz
			from l, unnest($1::uuid[], $2::int8[], $3::text[], $4::json[], $5::json[]) u(s, v, t, d, m)`),

		stream: in(`select position, stream, version, type, data, meta, at from @.events
			where stream = $1 and version > $2 and version <= $3 order by version limit $4`),
		history: in(`select e.position, e.stream, e.version, e.type, e.data, e.meta, e.at
			from unnest($1::uuid[], $2::int8[]) u(s, v) join @.events e on e.stream = s and e.version <= v order by e.stream, e.version`),
		// One statement for each filter, because one plan for all would scan the log for the events of a stream. The versions and
		// positions of a stream have the same order.
		log: in(`select position, stream, version, type, data, meta, at from @.events
			where position > $1 order by position limit $2`),
		logOfStream: in(`select position, stream, version, type, data, meta, at from @.events
			where position > $1 and stream = $3 and ($4 = '' or type = $4) order by version limit $2`),
		logOfType: in(`select position, stream, version, type, data, meta, at from @.events
			where position > $1 and type = $3 order by position limit $2`),

		messages: in(`select e.position, e.stream, e.version, e.type, e.data, e.meta, e.at
			from unnest($1::uuid[], $2::int8[]) u(s, v) join @.events e on e.stream = s and e.version = v`),
	}
}
