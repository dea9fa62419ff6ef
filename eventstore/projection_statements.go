package eventstore

import "strings"

// projectionStatements holds the SQL of projections for one schema. A case expression hides a condition from the planner: a
// row that is named by its id must be found by the id, even if the plan was made while few messages were parked and any
// index seemed good. The event of a message is read in a subquery, because a join may scan the log.
type projectionStatements struct {
	position, start, move, lock        string
	parkedStreams, park, due, waiting  string
	failAgain, unpark, nextHead        string
	isDiscarded, holes                 string
	list, replay, parkedOf, discard    string
	generations, rebuild, readOn, drop string
	promote, dropParked                string
	moveParked, moveDiscarded          string
	clearing, cleared, subscriptions   string
}

func projectionStatementsOf(schema string) projectionStatements {
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema) }
	return projectionStatements{
		position: in(`select position from @.subscriptions where name = $1`),
		start:    in(`insert into @.subscriptions (name, position) values ($1, 0) on conflict do nothing`),
		move: in(`update @.subscriptions set position = $3, updated_at = now() where name = $1 and position = $2
			returning generation`),
		lock: in(`select position, generation from @.subscriptions where name = $1 for update`),

		parkedStreams: in(`select distinct stream from @.parked where reader = $1 and stream = any($2) and discarded_at is null`),
		park: in(`insert into @.parked (id, reader, stream, version, attempts, error, parked_at, next_at)
			select i, $1, s, v, a, e, now(), now() + p * interval '1 microsecond'
			from unnest($2::uuid[], $3::uuid[], $4::int8[], $5::int4[], $6::text[], $7::int8[]) u(i, s, v, a, e, p)`),
		due: in(`select stream from @.parked where reader = $1 and next_at <= now() order by next_at limit 1`),
		waiting: in(`select p.id, p.attempts, e.position, e.stream, e.version, e.type, e.data, e.meta, e.at
			from @.parked p join @.events e on e.stream = p.stream and e.version = p.version
			where p.reader = $1 and p.stream = $2 and p.discarded_at is null and exists (select from @.parked h
				where h.reader = $1 and h.stream = $2 and h.discarded_at is null and h.next_at <= now())
			order by p.version limit $3`),
		failAgain: in(`update @.parked set attempts = attempts + 1, error = $2, next_at = now() + $3 * interval '1 microsecond'
			where id = $1 and case when discarded_at is null then coalesce(next_at, now()) <= now() end`),
		unpark: in(`delete from @.parked where id = any($1)`),
		// Only if it has no time yet; the messages of handlers have theirs.
		nextHead: in(`update @.parked set next_at = now() where next_at is null and id = (select id from @.parked
			where reader = $1 and stream = $2 and discarded_at is null order by version limit 1)`),

		isDiscarded: in(`select exists (select from @.parked where reader = $1 and stream = $2 and version = $3 and discarded_at is not null)`),
		// Messages that are parked for a rebuild but not for the live generation. Comparing the heads of streams is enough.
		holes: in(`select exists (select from @.parked n where n.reader = $1 and n.next_at is not null and not exists (select from @.parked l
			where l.reader = $2 and l.stream = n.stream and l.version = n.version and l.discarded_at is null))`),

		list: in(`select p.id, p.reader, p.stream, p.version, e.position, e.type, p.attempts, coalesce(p.error, ''), p.parked_at, p.next_at,
				(select count(*) from @.parked b where b.reader = p.reader and b.stream = p.stream
					and b.discarded_at is null and b.next_at is null)
			from @.parked p cross join lateral (select position, type from @.events where stream = p.stream and version = p.version limit 1) e
			where p.next_at is not null and ($1 = '' or p.reader = $1)
				and ($2 = '00000000-0000-0000-0000-000000000000'::uuid or p.id < $2) order by p.id desc limit $3`),
		// The message itself, or the head of its stream.
		replay: in(`update @.parked set next_at = now() where id = (select case when p.next_at is not null then p.id else
				(select id from @.parked h where h.reader = p.reader and h.stream = p.stream and h.discarded_at is null and h.next_at is not null
					order by h.version limit 1) end
			from @.parked p where p.id = $1 and case when p.discarded_at is null then true end)`),
		parkedOf: in(`select reader, stream from @.parked where id = $1`),
		discard: in(`update @.parked set discarded_at = now(), discarded_by = $3, reason = $4, next_at = null
			where id = $1 and case when discarded_at is null then reader = $2 end`),

		generations: in(`select l.generation, l.cleared, r.name is not null from @.subscriptions l
			left join @.subscriptions r on r.name = l.name || chr(64) || (l.generation + 1)::text where l.name = $1`),
		rebuild:    in(`insert into @.subscriptions (name, position, generation) values ($1, 0, $2) on conflict do nothing`),
		readOn:     in(`select position, stream, version, type, data, meta, at from @.events where position > $1 order by position limit $2`),
		drop:       in(`delete from @.subscriptions where name = $1`),
		promote:    in(`update @.subscriptions set position = $2, generation = $3, updated_at = now() where name = $1`),
		dropParked: in(`delete from @.parked where reader = $1 and discarded_at is null`),
		// Two statements, because each uses its own index.
		moveParked:    in(`update @.parked set reader = $2 where reader = $1 and discarded_at is null`),
		moveDiscarded: in(`update @.parked set reader = $2 where reader = $1 and discarded_at is not null`),
		clearing:      in(`select pg_try_advisory_xact_lock(hashtext('@.clear ' || $1::text))`),
		cleared:       in(`update @.subscriptions set cleared = $2 where name = $1`),

		// Positions have few gaps, left by failed transactions, so their difference is near the number of events, and 0 if
		// there are none.
		subscriptions: in(`select s.name, s.position, s.generation, s.updated_at, head.position, greatest(head.position - s.position, 0),
				coalesce(extract(epoch from now() - least(next.at, waits.at)), 0)::float8, coalesce(waits.n, 0)
			from @.subscriptions s
			cross join (select coalesce((select position from @.events order by position desc limit 1), 0) as position) head
			left join lateral (select at from @.events where position > s.position order by position limit 1) next on true
			left join lateral (select count(*)::int4 as n, min(case when p.next_at is not null then
					(select e.at from @.events e where e.stream = p.stream and e.version = p.version) end) as at
				from @.parked p where p.reader = s.name and p.discarded_at is null) waits on true
			where s.name = any($1) or split_part(s.name, chr(64), 1) = any($1) order by s.name`),
	}
}
