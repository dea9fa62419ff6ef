package database

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"shopping-cart/platform/pgerr"
)

// Pools holds the connections to one database, separated by purpose: slow lists can use up only Query.
type Pools struct {
	Write   *pgxpool.Pool // command batches
	Query   *pgxpool.Pool // reads on behalf of clients
	Search  *pgxpool.Pool // searches that read many rows; Query if there are no connections for it
	Control *pgxpool.Pool // sweeps, claims, readiness: they must work while the others are busy
	Views   *gorm.DB      // GORM on the connections of Query

	// Begin is one SQL statement that begins every transaction on Write. It is empty where the sessions have these settings.
	Begin string

	// Listen opens a session outside the pools, for notifications. It is nil behind a pooler without sessions.
	Listen func(context.Context) (*pgx.Conn, error)

	views *sql.DB
}

// Options sizes the pools. The zero value suits one committer. The pools are smaller where PostgreSQL allows fewer connections.
type Options struct {
	Application string          // application_name of the sessions; "shopping-cart" when empty
	Write       int32           // connections of Write; 3 when 0: two for a committer and one spare
	Query       int32           // connections of Query; 8 when 0
	Search      int32           // connections of Search, which share those of Query when 0
	Control     int32           // connections of Control; 4 when 0
	Pooler      Pooler          // Session when empty
	Databases   []string        // the URLs of all databases that the process opens, including this one; nil: only this one
	Log         *slog.Logger    // logs when the server becomes unreachable and reachable; slog.Default when nil
	Tracer      pgx.QueryTracer // traces the statements; may be nil

	limit time.Duration // of every call; 0: that of its pool
}

// Open connects to the database at url and checks that it answers.
func Open(ctx context.Context, url string, o Options) (*Pools, error) {
	o = o.complete()
	if err := o.fit(ctx, url); err != nil {
		return nil, err
	}
	p := &Pools{}
	before := &gate{log: o.Log}
	reads := &crowd{log: o.Log, name: "query", pause: readsPause, keeps: 1}
	writes := &crowd{log: o.Log, name: "write", pause: othersPause, keeps: o.Write, reads: reads}
	control := &crowd{log: o.Log, name: "control", pause: othersPause, keeps: 1, reads: reads}
	searches := &crowd{log: o.Log, name: "search", pause: readsPause, reads: reads}
	reads.reads, reads.first = reads, []*crowd{writes, control}
	locked := &locks{log: o.Log, until: map[string]time.Time{}}
	for _, one := range []struct { // in this order: reads get the rest
		pool **pgxpool.Pool
		purpose
	}{
		{&p.Write, purpose{writes, nil, o.Write, writeSettings, 10 * time.Second, true}},
		{&p.Control, purpose{control, nil, o.Control, controlSettings, 35 * time.Second, false}},
		{&p.Query, purpose{reads, locked, o.Query, querySettings, 20 * time.Second, false}},
		{&p.Search, purpose{searches, locked, o.Search, querySettings, 20 * time.Second, false}},
	} {
		if one.size == 0 {
			*one.pool = p.Query
			continue
		}
		var err error
		if *one.pool, err = p.open(ctx, url, o, one.purpose, before); err != nil {
			p.Close()
			return nil, err
		}
		if err := fill(ctx, *one.pool); err != nil {
			p.Close()
			return nil, o.unconnected(err)
		}
	}
	if p.Begin == "" {
		p.Listen = func(ctx context.Context) (*pgx.Conn, error) {
			if err := before.enter(); err != nil {
				return nil, err
			}
			return pgx.ConnectConfig(ctx, p.Control.Config().ConnConfig)
		}
	}
	if err := p.warn(ctx, o.Log); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.openViews(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// warn logs the settings that the role lacks where sessions cannot set them.
func (p *Pools) warn(ctx context.Context, log *slog.Logger) error {
	if p.Begin == "" {
		return nil
	}
	role, err := lacking(ctx, p.Control)
	if role != "" {
		log.Warn("through this pooler reads have no limits and may scan tables that have an index: give the role the settings of a session",
			"sql", ForRole(role))
	}
	return err
}

// Close waits for the connections in use and closes all connections.
func (p *Pools) Close() {
	if p.views != nil {
		_ = p.views.Close() // returns its connections; Query.Close would wait for them
	}
	for _, pool := range p.All() {
		if pool != nil {
			pool.Close()
		}
	}
}

// All returns the pools of all purposes. Search is one of its own or Query.
func (p *Pools) All() []*pgxpool.Pool {
	all := []*pgxpool.Pool{p.Write, p.Query, p.Control}
	if p.Search != p.Query {
		all = append(all, p.Search)
	}
	return all
}

func (p *Pools) openViews() error {
	p.views = stdlib.OpenDBFromPool(p.Query)
	var err error
	p.Views, err = gorm.Open(postgres.New(postgres.Config{Conn: p.views}), &gorm.Config{
		Logger:                 logger.NewSlogLogger(slog.Default(), logger.Config{LogLevel: logger.Silent}),
		NowFunc:                func() time.Time { return time.Now().UTC() },
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		TranslateError:         true,
		QueryFields:            true, // a prepared "select *" fails after a newer version adds a column
	})
	if err != nil {
		return fmt.Errorf("open the views: %w", err)
	}
	return nil
}

func (p *Pools) open(ctx context.Context, url string, o Options, of purpose, before *gate) (*pgxpool.Pool, error) {
	c, err := Parse(url)
	if err != nil {
		return nil, err
	}
	pooler, err := poolerOf(c.ConnConfig, o.Pooler)
	if err != nil {
		return nil, err
	}
	if of.batches && pooler != Session {
		p.Begin = of.settings.forTransaction()
	}
	c.MaxConnLifetimeJitter = 10 * time.Minute
	c.PingTimeout = 2 * time.Second // a request may meet several dead connections
	prepare(c.ConnConfig, o.Application)
	of.configure(c, pooler)
	c.ConnConfig.Tracer = watch{before, of.crowd, of.locks, cmp.Or(o.limit, of.limit)}
	if o.Tracer != nil {
		c.ConnConfig.Tracer = multitracer.New(c.ConnConfig.Tracer, o.Tracer)
	}
	if c.ConnConfig.ValidateConnect != nil { // target_session_attrs: another server may be better
		c.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) { return !saysReadOnly(conn), nil }
	}
	c.BeforeConnect = func(ctx context.Context, _ *pgx.ConnConfig) error {
		if err := of.crowd.enter(ctx); err != nil {
			return err
		}
		return before.enter()
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open a connection pool: %w", err)
	}
	of.crowd.pool.Store(pool)
	return pool, nil
}

// fill opens the minimum number of connections of a pool.
func fill(ctx context.Context, pool *pgxpool.Pool) error {
	for range pool.Config().MinConns {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
	}
	return nil
}

// prepare sets the parameters of every connection.
func prepare(c *pgx.ConnConfig, application string) {
	c.RuntimeParams["application_name"] = application
	c.RuntimeParams["timezone"] = "UTC"
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	c.OnPgError = keepConnection
}

// saysReadOnly reports whether the server is read-only. A server sends its clients each change of that.
func saysReadOnly(conn *pgx.Conn) bool {
	status := conn.PgConn().ParameterStatus
	return status("in_hot_standby") == "on" || status("default_transaction_read_only") == "on"
}

// keepConnection reports whether a connection is usable after an error. An error "read-only" (25006) comes from a server that is
// no longer the primary. A new connection finds the primary.
func keepConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return err.Severity != "FATAL" && err.Code != pgerr.ReadOnly
}

func readTimesInUTC(m *pgtype.Map) {
	t := &pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}}
	m.RegisterType(t)
	m.RegisterType(&pgtype.Type{Name: "_timestamptz", OID: pgtype.TimestamptzArrayOID, Codec: &pgtype.ArrayCodec{ElementType: t}})
}
