package database_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// The index that these tests have built on a database of the version before.
const (
	stockList  = "orders.streams_stock_newest"
	buildsIt   = "create index concurrently streams_stock_newest on orders.streams (created_at desc, id desc) where kind = 'stock'"
	newStreams = `insert into orders.streams (id, version, kind, fold, state, created_at, updated_at)
		select gen_random_uuid(), 1, 'stock', 1, '{}', now(), now()`
)

// TestBuild: one process builds an index on a table in use without stopping writers, and again after an interruption.
func TestBuild(t *testing.T) {
	t.Parallel()

	t.Run("LetsOthersWrite", func(t *testing.T) {
		t.Parallel()
		d := before(t)
		release := d.writes(t)
		migrated := d.migrates(t.Context())
		d.awaitTold(t, "building orders.streams_stock_newest: waiting for writers before build, for process ")
		exec1(t, d.url, "set lock_timeout = '5s'; "+newStreams)
		d.requireUnfinished(t, migrated)
		release()
		require.NoError(t, <-migrated)
		d.requireBuilt(t)
	})

	t.Run("OneProcessBuilds", func(t *testing.T) {
		t.Parallel()
		d := before(t)
		release := d.writes(t)
		first, second := d.migrates(t.Context()), d.migrates(t.Context())
		d.awaitTold(t, "another process works on the indexes of orders.streams: waiting for writers")
		release()
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		d.requireBuilt(t)
		require.Equal(t, 1, d.toldOf("00004_stock_list.sql: building orders.streams_stock_newest"))
	})

	t.Run("OneThatWasCutOffIsBuiltAgain", func(t *testing.T) {
		t.Parallel()
		d := before(t)
		release := d.writes(t)
		ctx, stop := context.WithCancel(t.Context())
		migrated := d.migrates(ctx)
		d.awaitBuild(t, true)
		stop()
		require.ErrorIs(t, <-migrated, context.Canceled)
		d.awaitBuild(t, false)
		release()
		require.False(t, query1[bool](t, d.url, "select indisvalid from pg_index where indexrelid = '"+stockList+"'::regclass"))
		require.NoError(t, <-d.migrates(t.Context()))
		d.requireBuilt(t)
		require.Equal(t, 1, d.toldOf("dropping the index streams_stock_newest of an interrupted build"))
	})

	t.Run("OneThatGoesOnWithoutItsClientIsAwaited", func(t *testing.T) {
		t.Parallel()
		d := before(t)
		release := d.writes(t)
		built := d.builds(t)
		exec1(t, d.url, "insert into orders.schema_migrations (version_id, is_applied) values (4, false)") // the client had claimed it
		oid := query1[uint32](t, d.url, "select '"+stockList+"'::regclass::oid")
		migrated := d.migrates(t.Context())
		d.awaitTold(t, "another process works on the indexes of orders.streams")
		release()
		require.NoError(t, <-built)
		require.NoError(t, <-migrated)
		d.requireBuilt(t)
		require.Equal(t, oid, query1[uint32](t, d.url, "select '"+stockList+"'::regclass::oid"), "it was built once")
	})

	t.Run("WhatIsThereCountsAsBuilt", func(t *testing.T) {
		t.Parallel()
		d := &upgraded{url: pgtest.Direct(t, pgtest.New(t))}
		exec1(t, d.url, "delete from orders.store_migrations where version_id = 6; delete from simulator.schema_migrations where version_id = 3")
		oid := query1[uint32](t, d.url, "select 'orders.outbox_due'::regclass::oid")
		require.NoError(t, <-d.migrates(t.Context()))
		require.NoError(t, database.Migrate(t.Context(), d.url, "simulator"))
		require.Equal(t, oid, query1[uint32](t, d.url, "select 'orders.outbox_due'::regclass::oid"))
		require.Equal(t, 1, query1[int](t, d.url, "select count(*)::int from orders.store_migrations where version_id = 6 and is_applied"))
		require.Equal(t, 1, query1[int](t, d.url, "select count(*)::int from simulator.schema_migrations where version_id = 3 and is_applied"))
	})

	t.Run("SaysThatThePoolersRoleIsInTheWay", func(t *testing.T) {
		t.Parallel()
		pgtest.NeedsSessions(t, "it brings its own pooler")
		d := before(t)
		exec1(t, d.url, fmt.Sprintf("alter role %s in database %s set statement_timeout = '1s'",
			query1[string](t, d.url, "select quote_ident(current_user)"), query1[string](t, d.url, "select quote_ident(current_database())")))
		pooled := pgtest.Bouncer(t, d.url, 2) // its sessions begin now
		release := d.writes(t)
		defer release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := database.Migrate(ctx, pooled, "orders")
		require.ErrorContains(t, err, "start one process with DATABASE_POOLER=session and a database URL that bypasses the pooler")
	})
}

// upgraded is a database of the version before, without the index, during its migration.
type upgraded struct {
	url string // past any pooler

	mu   sync.Mutex
	told []string
}

func before(t *testing.T) *upgraded {
	d := &upgraded{url: pgtest.Direct(t, pgtest.New(t))}
	exec1(t, d.url, "drop index "+stockList+"; delete from orders.schema_migrations where version_id = 4")
	return d
}

// writes begins a transaction that has written to the table, and returns a function that ends it. A build waits for it.
func (d *upgraded) writes(t *testing.T) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "begin; "+newStreams)
	require.NoError(t, err)
	return func() {
		_, err := conn.Exec(t.Context(), "commit")
		require.NoError(t, err)
	}
}

// builds starts a build of the index in another client, and returns when it is running.
func (d *upgraded) builds(t *testing.T) (built chan error) {
	t.Helper()
	built = make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), d.url)
		if err == nil {
			_, err = conn.Exec(t.Context(), buildsIt)
			conn.Close(context.Background())
		}
		built <- err
	}()
	d.awaitBuild(t, true)
	return built
}

// awaitBuild returns when a build waits for others, or when none is left.
func (d *upgraded) awaitBuild(t *testing.T, goes bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		return goes == query1[bool](t, d.url,
			"select exists (select from pg_stat_progress_create_index where datname = current_database() and phase like 'waiting%')")
	}, time.Minute, 20*time.Millisecond)
}

func (d *upgraded) migrates(ctx context.Context) (migrated chan error) {
	o := database.MigrateOptions{Tell: func(what string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.told = append(d.told, what)
	}}
	migrated = make(chan error, 1)
	go func() { migrated <- database.MigrateWith(ctx, d.url, "orders", o) }()
	return migrated
}

func (d *upgraded) awaitTold(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return strings.Contains(strings.Join(d.told, "\n"), what)
	}, time.Minute, 20*time.Millisecond, what)
}

// toldOf counts the reports with exactly this text.
func (d *upgraded) toldOf(what string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, told := range d.told {
		if strings.HasSuffix(told, what) {
			n++
		}
	}
	return n
}

func (d *upgraded) requireUnfinished(t *testing.T, migrated chan error) {
	t.Helper()
	select {
	case err := <-migrated:
		t.Fatalf("the build did not wait: %v", err)
	default:
	}
}

func (d *upgraded) requireBuilt(t *testing.T) {
	t.Helper()
	require.True(t, query1[bool](t, d.url, "select indisvalid from pg_index where indexrelid = '"+stockList+"'::regclass"))
	require.Equal(t, 1, query1[int](t, d.url, "select count(*)::int from orders.schema_migrations where version_id = 4 and is_applied"))
	require.Equal(t, 0, query1[int](t, d.url, "select count(*)::int from orders.schema_migrations where not is_applied"))
}

// TestBuildsOfManyProcesses: processes that start together, on the schemas of one database, end up with every index.
func TestBuildsOfManyProcesses(t *testing.T) {
	t.Parallel()
	d := before(t)
	exec1(t, d.url, "drop index payment.webhooks_newest, payment.webhooks_of_payment; delete from payment.schema_migrations where version_id = 2")
	var processes errgroup.Group
	for range 4 {
		for _, schema := range []string{"orders", "payment"} {
			processes.Go(func() error { return database.Migrate(t.Context(), d.url, schema) })
		}
	}
	require.NoError(t, processes.Wait())
	d.requireBuilt(t)
	require.Equal(t, 3, query1[int](t, d.url, `select count(*)::int from pg_index where indisvalid
		and indexrelid::regclass::text in ('payment.webhooks_newest', 'payment.webhooks_of_payment', 'payment.webhooks_newest_of_provider')`))
}
