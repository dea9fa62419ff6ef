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

// Pooler says how connections reach PostgreSQL.
type Pooler string

// The poolers. A pooler in transaction mode keeps no session: each transaction brings its settings, and statements are prepared
// only where the pooler tracks them.
const (
	// Session: every connection is its own session. There is no pooler, or one in session mode.
	Session Pooler = "session"
	// Transaction: PgBouncer in transaction mode, any version. Nothing is prepared.
	Transaction Pooler = "transaction"
	// TransactionPrepared: PgBouncer 1.21 or newer in transaction mode, with max_prepared_statements above 0. Command batches are
	// prepared. Reads are not: a batch could run a plan that a read made.
	TransactionPrepared Pooler = "transaction-prepared"
)

// settings are the names and values of the settings of a pool's sessions.
type settings [][2]string

// Every call is bounded, on the server too, so that a client that stops halfway does not hold locks for long. No plan may become
// a table scan as a table grows: plans are kept, and a plan may be made while the table is empty. Every query has an index, or
// its table stays small.
var (
	// A batch names every row by its key, and its arrays vary in length: one plan of index look-ups fits all batches. It waits
	// only briefly for a lock: commands that need the lock are retried apart from the others, see eventstore/contention.go.
	writeSettings = append(bounded("8s", "300ms"), settings{
		{"plan_cache_mode", "force_generic_plan"}, {"enable_seqscan", "off"}, {"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"}, {"enable_mergejoin", "off"},
	}...)
	// A read waits for a lock only where a table is locked exclusively, and only briefly: all modules share its connections, see
	// locks.go.
	querySettings   = append(bounded("15s", "500ms"), settings{{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}}...)
	controlSettings = append(bounded("30s", "5s"), settings{{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}}...)
)

// vanished makes the server drop an unreachable client, and its locks, within 20 seconds. No other limit does so when the line
// breaks in the middle of a batch: the server then waits for the next statement as long as the system's keepalive, two hours. A
// pooler has its own keepalive.
var vanished = settings{
	{"tcp_keepalives_idle", "10"}, {"tcp_keepalives_interval", "5"}, {"tcp_keepalives_count", "2"}, {"tcp_user_timeout", "20s"},
}

func bounded(limit, lockLimit string) settings {
	return settings{{"jit", "off"}, {"lock_timeout", lockLimit}, {"statement_timeout", limit}, {"idle_in_transaction_session_timeout", limit}}
}

// ForRole returns SQL that gives a role the session settings of reads, for sessions behind a pooler. Sessions that begin later
// have them.
func ForRole(role string) string {
	lines := make([]string, len(querySettings))
	for i, one := range querySettings {
		lines[i] = fmt.Sprintf("alter role %s set %s = '%s'", pgx.Identifier{role}.Sanitize(), one[0], one[1])
	}
	return strings.Join(lines, "; ")
}

// lacking returns the role of a pool's sessions when it lacks the settings of ForRole, and "" otherwise.
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

// forSession returns SQL that applies the settings until the session ends.
func (s settings) forSession() string { return s.sql("false") }

// forTransaction returns one SQL statement that applies the settings until the transaction ends.
func (s settings) forTransaction() string { return s.sql("true") }

func (s settings) sql(local string) string {
	calls := make([]string, len(s))
	for i, one := range s {
		calls[i] = fmt.Sprintf("set_config('%s', '%s', %s)", one[0], one[1], local)
	}
	return "select " + strings.Join(calls, ", ")
}

// purpose describes a pool.
type purpose struct {
	crowd    *crowd
	locks    *locks // nil: not a pool of reads
	size     int32
	settings settings
	limit    time.Duration // of any call on the client: the server's limit, and time for its answer
	batches  bool          // transactions begin with Pools.Begin
}

// configure applies the purpose to the sessions of a pool, as far as the pooler permits.
func (p purpose) configure(c *pgxpool.Config, pooler Pooler) {
	c.MaxConns, c.MinConns = p.size, p.crowd.keeps
	c.MaxConnIdleTime = time.Minute   // frees it for others, unless the pool keeps it
	c.HealthCheckPeriod = time.Second // replaces a lost connection that soon
	c.BeforeClose = p.crowd.closed
	if pooler == Transaction || pooler == TransactionPrepared && !p.batches {
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		readTimesInUTC(conn.TypeMap())
		if pooler == Session { // not as start-up parameters: PgBouncer refuses unknown ones
			_, err := conn.Exec(ctx, slices.Concat(p.settings, vanished).forSession(), pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return err
			}
		}
		p.crowd.open.Add(1)
		return nil
	}
}

// poolerOf returns the pooler that is set, or the one that a URL selects: default_query_exec_mode=cache_describe, pgx's name for
// "prepare nothing", selects Transaction for that database alone.
func poolerOf(c *pgx.ConnConfig, set Pooler) (Pooler, error) {
	if set == "" {
		set = Session
	}
	//exhaustive:ignore // the other modes cannot carry our statements
	switch c.DefaultQueryExecMode {
	case pgx.QueryExecModeCacheStatement:
		return set, nil
	case pgx.QueryExecModeCacheDescribe:
		return Transaction, nil
	}
	return "", fmt.Errorf("default_query_exec_mode in the database URL must be cache_describe, or be left out")
}
