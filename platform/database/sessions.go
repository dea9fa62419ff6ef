package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pooler says what stands between this program and PostgreSQL.
type Pooler string

// The poolers. With one that hands out server connections by the transaction, nothing that is said to a session lasts:
// settings go with each transaction that needs them, and a statement is prepared only where the pooler keeps track of it.
const (
	// Session: every connection is a session of its own. Nothing stands between, or a pooler in session mode.
	Session Pooler = "session"
	// Transaction: PgBouncer in transaction mode, any version. Nothing is prepared.
	Transaction Pooler = "transaction"
	// TransactionPrepared: PgBouncer 1.21 or newer in transaction mode, with max_prepared_statements above 0. Command
	// batches are prepared; reads are not, or a plan that one made would be what a batch runs.
	TransactionPrepared Pooler = "transaction-prepared"
)

// settings are what the sessions of a pool have: names and values.
type settings [][2]string

// Every call is bounded, on the server too, so that a client that stops halfway holds no lock for long. And no plan turns into a scan of
// a table as that grows: a plan is kept, and at the time that it is made the table may be empty. Whatever is asked here
// has an index, or is small for good.
var (
	// A batch names every row by its key, and its arrays vary in length from one batch to the next: a plan made once
	// for look-ups by index is right for all of them. It waits for a lock only briefly: its commands that need the lock are
	// retried apart from the others, see eventstore/contention.go.
	writeSettings = append(bounded("8s", "300ms"), settings{
		{"plan_cache_mode", "force_generic_plan"}, {"enable_seqscan", "off"}, {"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"}, {"enable_mergejoin", "off"},
	}...)
	// A read waits for a lock only where a table is locked against everybody, and then not for long: all modules share its connections, see locks.go.
	querySettings   = append(bounded("15s", "500ms"), settings{{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}}...)
	controlSettings = append(bounded("30s", "5s"), settings{{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}}...)
)

// vanished has the server let go of a client that can no longer be reached, and of its locks, in 20 seconds. No other limit does where
// the line breaks in the middle of a batch: the server then waits for its next statement as long as the system's keepalive lasts,
// which is two hours. A pooler sees to that by itself.
var vanished = settings{
	{"tcp_keepalives_idle", "10"}, {"tcp_keepalives_interval", "5"}, {"tcp_keepalives_count", "2"}, {"tcp_user_timeout", "20s"},
}

func bounded(limit, lockLimit string) settings {
	return settings{{"jit", "off"}, {"lock_timeout", lockLimit}, {"statement_timeout", limit}, {"idle_in_transaction_session_timeout", limit}}
}

// ForRole is SQL that gives a role what reads want of a session: for those that have none, behind a pooler. Sessions that
// begin later have it.
func ForRole(role string) string {
	lines := make([]string, len(querySettings))
	for i, one := range querySettings {
		lines[i] = fmt.Sprintf("alter role %s set %s = '%s'", pgx.Identifier{role}.Sanitize(), one[0], one[1])
	}
	return strings.Join(lines, "; ")
}

// lacking is the role of a pool's sessions when they do not have what ForRole gives, and empty when they do.
func lacking(ctx context.Context, pool *pgxpool.Pool) (role string, err error) {
	var has bool
	err = pool.QueryRow(ctx, `select current_user, current_setting('enable_seqscan') = 'off' and current_setting('enable_bitmapscan') = 'off'
		and current_setting('statement_timeout') <> '0' and current_setting('lock_timeout') <> '0'`).Scan(&role, &has)
	if err != nil {
		return "", fmt.Errorf("read the settings of the role: %w", err)
	}
	if has {
		return "", nil
	}
	return role, nil
}

// forSession is SQL that makes the settings until the session ends.
func (s settings) forSession() string { return s.sql("false") }

// forTransaction is SQL, one statement, that makes the settings until the transaction ends.
func (s settings) forTransaction() string { return s.sql("true") }

func (s settings) sql(local string) string {
	calls := make([]string, len(s))
	for i, one := range s {
		calls[i] = fmt.Sprintf("set_config('%s', '%s', %s)", one[0], one[1], local)
	}
	return "select " + strings.Join(calls, ", ")
}

// purpose is what a pool is for.
type purpose struct {
	crowd    *crowd
	locks    *locks // nil: not for reads
	size     int32
	settings settings
	limit    time.Duration // of any call, on this side of the line: the server's limit, and time for its answer
	batches  bool          // transactions begin with Pools.Begin
}

// configure makes the sessions of a pool what its purpose wants, as far as the pooler lets it.
func (p purpose) configure(c *pgxpool.Config, pooler Pooler) {
	c.MaxConns, c.MinConns = p.size, p.crowd.keeps
	c.MaxConnIdleTime = time.Minute   // then others can have it, unless it is kept
	c.HealthCheckPeriod = time.Second // so soon it makes one anew that it keeps and lost
	if pooler != Session {
		if !p.batches || pooler == Transaction {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
		c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
			readTimesInUTC(conn.TypeMap())
			return nil
		}
		return
	}
	// Set after connecting, not as start-up parameters: PgBouncer refuses those that it does not know.
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		readTimesInUTC(conn.TypeMap())
		_, err := conn.Exec(ctx, slices.Concat(p.settings, vanished).forSession(), pgx.QueryExecModeSimpleProtocol)
		return err
	}
}

// poolerOf is the one set, or the one that a URL speaks of: default_query_exec_mode=cache_describe, pgx's own word for
// "prepare nothing", stands for Transaction on that database alone.
func poolerOf(c *pgx.ConnConfig, set Pooler) (Pooler, error) {
	if set == "" {
		set = Session
	}
	//exhaustive:ignore // the others cannot carry what we send
	switch c.DefaultQueryExecMode {
	case pgx.QueryExecModeCacheStatement:
		return set, nil
	case pgx.QueryExecModeCacheDescribe:
		return Transaction, nil
	}
	return "", fmt.Errorf("default_query_exec_mode in the database URL must be cache_describe, or be left out")
}
