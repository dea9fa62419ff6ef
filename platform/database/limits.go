package database

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/pgerr"
)

// spare is a connection beside the pools: for Listen, or for a replaced connection that has not ended yet.
const spare = 1

// Connections returns the maximum number of connections of the pools, with the spare one.
func (o Options) Connections() int32 {
	o = o.complete()
	return o.Write + o.Control + o.Query + o.Search + spare
}

// complete sets the defaults.
func (o Options) complete() Options {
	o.Application = cmp.Or(o.Application, "shopping-cart")
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Write, o.Query, o.Control = cmp.Or(o.Write, 3), cmp.Or(o.Query, 8), cmp.Or(o.Control, 4)
	return o
}

// limit is a limit of connections in PostgreSQL.
type limit struct {
	most   int32                                 // for all that share it; negative: none
	whose  string                                // name of the limit
	raise  func(most int32) string               // returns how to set it
	shared func(one, other *pgx.ConnConfig) bool // reports whether the pools of two databases count together
}

// fit drops the pools of searches and shrinks those of reads, then those of control, to the number that PostgreSQL allows: a pool that cannot have its
// connections takes those that writes need. It returns an error when even the smallest pools do not fit. Behind a pooler it
// compares nothing: the pooler's limits apply there.
func (o *Options) fit(ctx context.Context, url string) error {
	c, err := Parse(url)
	if err != nil {
		return err
	}
	pooler, err := poolerOf(c.ConnConfig, o.Pooler)
	if err != nil || pooler != Session {
		return err
	}
	prepare(c.ConnConfig, o.Application)
	limits, err := readLimits(ctx, c.ConnConfig)
	if err != nil {
		return o.unconnected(err)
	}
	asked := o.Connections()
	for _, l := range limits {
		sharing, err := l.sharing(c.ConnConfig, o.Databases)
		if err != nil {
			return err
		}
		allowed := l.most / sharing
		if l.most < 0 || allowed >= o.Connections() {
			continue
		}
		change := l.raise(l.most + (asked-allowed)*sharing)
		if least := o.Write + 2 + spare; allowed < least {
			return fmt.Errorf("%s is %d: this leaves %d connections for this database, and it needs at least %d: %d for writes (COMMITTERS + 1), one for reads, "+
				"one for control, one spare: %s, for one replica, or set COMMITTERS lower", l.whose, l.most, allowed, least, o.Write, change)
		}
		o.Search = 0
		o.Query = max(1, min(o.Query, allowed-o.Write-o.Control-spare))
		o.Control = min(o.Control, allowed-o.Write-o.Query-spare)
		o.Log.Warn("PostgreSQL allows fewer connections than the settings ask for: reads get the rest", "limit", l.whose, "is", l.most,
			"databases", sharing, "asked", asked, "allowed", allowed, "reads", o.Query, "control", o.Control,
			"change", change+", for one replica, or set QUERY_CONNECTIONS lower")
	}
	return nil
}

// unconnected wraps an error of the pools' first connections.
func (o Options) unconnected(err error) error {
	if pgerr.Is(err, pgerr.TooManyConnections) {
		return fmt.Errorf("connect to the database: others hold its connections, and this program needs at least %d, %d of them for writes (COMMITTERS + 1): "+
			"raise the connection limit of the role or the database, or max_connections, or close connections of others: %w", o.Write+2+spare, o.Write, err)
	}
	return fmt.Errorf("connect to the database: %w", err)
}

// sharing returns how many of the databases have pools that count together with this one's, itself included.
func (l limit) sharing(this *pgx.ConnConfig, databases []string) (n int32, err error) {
	for _, url := range databases {
		c, err := Parse(url)
		if err != nil {
			return 0, err
		}
		if c.ConnConfig.Host == this.Host && c.ConnConfig.Port == this.Port && l.shared(c.ConnConfig, this) {
			n++
		}
	}
	return max(n, 1), nil
}

// readLimits returns the limits of a session. It returns none behind a pooler.
func readLimits(ctx context.Context, c *pgx.ConnConfig) ([]limit, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var role, database string
	var process uint32
	var ofRole, ofDatabase, ofServer, reserved int32
	err = conn.QueryRow(ctx, `select rolname, datname, pg_backend_pid(), case when rolsuper then -1 else rolconnlimit end,
			case when rolsuper then -1 else datconnlimit end, current_setting('max_connections')::int,
			current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int
		from pg_roles, pg_database where rolname = session_user and datname = current_database()`, pgx.QueryExecModeExec).
		Scan(&role, &database, &process, &ofRole, &ofDatabase, &ofServer, &reserved)
	if err != nil || process != conn.PgConn().PID() { // a pooler reports its own number
		return nil, err
	}
	role, database = pgx.Identifier{role}.Sanitize(), pgx.Identifier{database}.Sanitize()
	return slices.DeleteFunc([]limit{
		{
			ofRole, "the connection limit of the role " + role, func(n int32) string { return fmt.Sprintf("alter role %s connection limit %d", role, n) },
			func(one, other *pgx.ConnConfig) bool { return one.User == other.User },
		},
		{
			ofDatabase, "the connection limit of the database " + database, func(n int32) string { return fmt.Sprintf("alter database %s connection limit %d", database, n) },
			func(one, other *pgx.ConnConfig) bool { return one.Database == other.Database },
		},
		{
			ofServer - reserved, fmt.Sprintf("the server's max_connections without the %d that are reserved", reserved),
			func(n int32) string { return fmt.Sprintf("set max_connections = %d", n+reserved) },
			func(_, _ *pgx.ConnConfig) bool { return true },
		},
	}, func(l limit) bool { return l.most < 0 }), nil
}
