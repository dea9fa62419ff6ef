package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/cli"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
)

// sealsSoon seals the logs so soon that a test need not wait.
func sealsSoon(_ testing.TB, c *config.Config) { c.SealInterval = 20 * time.Millisecond }

// awaitSealed waits until all events are sealed.
func awaitSealed(t *testing.T, s *harness.Site) {
	t.Helper()
	harness.Until(t, "the logs are sealed", func() bool {
		seals, open := 0, int64(0)
		for _, v := range harness.Get[admin.Subscriptions](t, s, "/v1/admin/subscriptions", s.Admin).Data {
			if v.Kind == "seals" {
				seals, open = seals+1, open+v.Lag
			}
		}
		return seals == 5 && open == 0
	})
}

// verifies runs "shopping-cart verify" with flags and returns its findings.
func verifies(t *testing.T, s *harness.Site, heads string) (all struct {
	Data    []reconcile.Finding
	Checked reconcile.Checked
}, err error) {
	t.Helper()
	var out bytes.Buffer
	err = (&cli.Verify{Quiet: true, JSON: true, Heads: heads}).Run(t.Context(), &out, beside{t, s})
	require.NoError(t, json.Unmarshal(out.Bytes(), &all), out.String())
	return all, err
}

// tampered is the log of one module, with one of its events.
type tampered struct {
	module, schema    string
	position, version int64
	stream            uuid.UUID
}

// TestTamperEvidence changes each log in each way, and has "verify" name the event.
func TestTamperEvidence(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.OneDatabase, sealsSoon)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	for n := range int64(3) {
		s.SetPrice(t, sku, 501+n)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	}
	db, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	exec := func(t *testing.T, sql string, log tampered) {
		t.Helper()
		_, err := db.Exec(t.Context(), strings.NewReplacer("@", log.schema, "$position", fmt.Sprint(log.position)).Replace(sql))
		require.NoError(t, err, sql)
	}
	awaitSealed(t, s)
	whole, err := verifies(t, s, "")
	require.NoError(t, err)
	require.Greater(t, whole.Checked.Events, 30)

	for _, log := range []tampered{{module: "cart", schema: "cart"}, {module: "order", schema: "orders"}, {module: "payment", schema: "payment"}, {module: "saga", schema: "saga"}, {module: "audit", schema: "audit"}} {
		require.NoError(t, db.QueryRow(t.Context(), strings.ReplaceAll(`select position, stream, version from @.events order by position offset 2 limit 1`, "@", log.schema)).
			Scan(&log.position, &log.stream, &log.version))
		for name, change := range map[string]struct {
			sql, finds string
			elsewhere  bool // the event that was inserted, not that of log
		}{
			"Data":   {`update @.events set data = (data::text || ' ')::json where position = $position`, "event_changed", false},
			"Meta":   {`update @.events set meta = '{"actor":"eve"}' where position = $position`, "event_changed", false},
			"Type":   {`update @.events set type = 'cart.created' || type where position = $position`, "event_changed", false},
			"Time":   {`update @.events set at = at - interval '1 second' where position = $position`, "event_changed", false},
			"Remove": {`delete from @.events where position = $position`, "event_removed", false},
			"InsertAtAFreePosition": {`insert into @.events select -7, '11111111-1111-4111-8111-111111111111', 9, type, data, meta, at from @.events where position = $position`,
				"event_inserted", true},
			"Entry": {`update @.seals set entries = set_byte(entries, (($position - (select min(position) from @.events where position > after)) * 64 + 63)::int, 255 - get_byte(entries, (($position - (select min(position) from @.events where position > after)) * 64 + 63)::int))
				where after < $position and last >= $position`, "event_changed", false},
		} {
			t.Run(log.module+"/"+name, func(t *testing.T) {
				exec(t, "create table saved as select * from @.events where position = $position; create table saved_seals as table @.seals", log)
				exec(t, change.sql, log)
				found, err := verifies(t, s, "")
				require.ErrorAs(t, err, new(*cli.Broken))
				id, detail := fmt.Sprintf("%s:%s:%s:%d", change.finds, log.module, log.stream, log.version), fmt.Sprintf("position %d, version %d of stream %s", log.position, log.version, log.stream)
				if change.elsewhere {
					id, detail = fmt.Sprintf("%s:%s:11111111-1111-4111-8111-111111111111:9", change.finds, log.module), "position -7, version 9 of stream 1111"
				}
				require.Contains(t, harness.FindingIDs(found.Data), id)
				for _, f := range found.Data {
					if f.ID == id {
						require.Contains(t, f.Detail, detail)
						require.NotEmpty(t, f.Remedy)
					}
				}
				if name == "Entry" {
					require.True(t, strings.Contains(strings.Join(harness.FindingIDs(found.Data), " "), "chain_broken:"+log.module), "the seal does not hash to its own hash")
				}
				exec(t, `delete from @.events where position in ($position, -7); insert into @.events table saved; drop table saved;
					update @.seals s set entries = o.entries from saved_seals o where o.after = s.after; drop table saved_seals`, log)
			})
		}
		t.Run(log.module+"/InsertAtTheEnd", func(t *testing.T) {
			exec(t, `insert into @.events select nextval('@.position'), stream, version + 1000, type, data, meta, at from @.events where position = $position`, log)
			found, err := verifies(t, s, "")
			require.ErrorAs(t, err, new(*cli.Broken))
			require.Contains(t, strings.Join(harness.FindingIDs(found.Data), " "), fmt.Sprintf("version_missing:%s:%s:", log.module, log.stream),
				"whether it was sealed or not, its stream does not stand there")
			awaitSealed(t, s)
			found, err = verifies(t, s, "")
			require.ErrorAs(t, err, new(*cli.Broken))
			require.Contains(t, strings.Join(harness.FindingIDs(found.Data), " "), fmt.Sprintf("version_missing:%s:%s:", log.module, log.stream))
			var position, version int64
			require.NoError(t, db.QueryRow(t.Context(), strings.ReplaceAll("delete from @.events where version > 1000 returning position, version", "@", log.schema)).Scan(&position, &version))
			found, _ = verifies(t, s, "")
			require.Equal(t, []string{fmt.Sprintf("event_removed:%s:%s:%d", log.module, log.stream, version)}, harness.FindingIDs(found.Data), "nothing goes unnoticed, not even its removal")
			exec(t, `delete from @.seals where last >= `+fmt.Sprint(position), log) // as before the test
			awaitSealed(t, s)
		})
	}
	found, err := verifies(t, s, "")
	require.NoError(t, err, "everything was restored: %+v", found.Data)
}

// TestKeptHeads: only heads that are kept elsewhere show that a log was changed and sealed anew.
func TestKeptHeads(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.OneDatabase, sealsSoon)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	buys := func() {
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
		awaitSealed(t, s)
	}
	exports := func() (path string, heads reconcile.LogHeads) {
		var out bytes.Buffer
		require.NoError(t, (&cli.Heads{}).Run(t.Context(), &out, beside{t, s}))
		path = filepath.Join(t.TempDir(), "heads.json")
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		require.NoError(t, json.Unmarshal(out.Bytes(), &heads))
		return path, heads
	}
	writes := func(heads reconcile.LogHeads) (path string) {
		text, err := json.Marshal(heads)
		require.NoError(t, err)
		path = filepath.Join(t.TempDir(), "heads.json")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	ids := func(path string) []string {
		found, _ := verifies(t, s, path)
		return harness.FindingIDs(found.Data)
	}
	buys()
	kept, heads := exports()
	require.Len(t, heads.Data, 5)
	buys()
	found, err := verifies(t, s, kept)
	require.NoError(t, err, "the log went on: %+v", found.Data)
	require.Equal(t, 5, found.Checked.Heads)

	t.Run("AChangedFile", func(t *testing.T) {
		changed := heads
		changed.Data = append([]reconcile.LogHead{}, heads.Data...)
		changed.Data[1].Position += 1000
		require.Equal(t, []string{fmt.Sprintf("head_missing:order:%d", changed.Data[1].Position), "heads_forged:" + key(heads)}, ids(writes(changed)))
	})
	t.Run("AForeignKey", func(t *testing.T) {
		_, other := exports()
		foreign, err := reconcile.NewSigner(strings.Repeat("x", 32))
		require.NoError(t, err)
		foreign.Sign(&other)
		require.Equal(t, []string{"heads_unknown_key:" + key(other)}, ids(writes(other)))
	})
	t.Run("AReplacedSecret", func(t *testing.T) {
		replaced := func(old ...string) *harness.Site {
			return harness.OpenUnchecked(t, func(_ testing.TB, c *config.Config) {
				c.DatabaseURL, c.AuthSecret, c.AuthSecretOld = s.Settings.DatabaseURL, strings.Repeat("new secret ", 5), old
			})
		}
		found, err := verifies(t, replaced(s.Settings.AuthSecret), kept)
		require.NoError(t, err, "the old secret is named too: %+v", found.Data)
		found, _ = verifies(t, replaced(), kept)
		require.Equal(t, []string{"heads_unknown_key:" + key(heads)}, harness.FindingIDs(found.Data))
	})
	t.Run("NoHeads", func(t *testing.T) {
		body := map[string]any{"data": []any{map[string]any{"module": "shop", "position": 1, "hash": zeros(32), "at": time.Now()}}, "public_key": zeros(32), "signature": zeros(64)}
		bad := harness.RequireProblem(t, s.Send(t, http.MethodPost, "/v1/admin/log-heads", s.Admin, body), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "data[0].module", bad.Errors[0].Field)
		body["data"] = []any{}
		for _, field := range []string{"public_key", "signature"} {
			right := body[field]
			body[field] = zeros(3)
			bad := harness.RequireProblem(t, s.Send(t, http.MethodPost, "/v1/admin/log-heads", s.Admin, body), http.StatusUnprocessableEntity, "validation_failed")
			require.Equal(t, field, bad.Errors[0].Field)
			body[field] = right
		}
	})
	t.Run("ARestoredDump", func(t *testing.T) { restoredDump(t, s, kept) })
	t.Run("EverythingSealedAnew", func(t *testing.T) {
		for _, head := range heads.Data {
			schema := map[string]string{"order": "orders"}[head.Module]
			if schema == "" {
				schema = head.Module
			}
			reseals(t, s.URLs[schema], schema)
		}
		require.Empty(t, ids(""), "the chain itself is whole")
		found, _ := verifies(t, s, kept)
		require.Len(t, found.Data, 5)
		for _, f := range found.Data {
			require.Equal(t, "head_differs", f.Check)
		}
	})
	t.Run("ALogThatWasCut", func(t *testing.T) {
		s.Exec(t, "cart", "delete from cart.seals where last >= "+fmt.Sprint(heads.Data[0].Position))
		found, _ := verifies(t, s, kept)
		require.Contains(t, harness.FindingIDs(found.Data), fmt.Sprintf("head_missing:cart:%d", heads.Data[0].Position))
	})
}

func key(h reconcile.LogHeads) string { return base64.StdEncoding.EncodeToString(h.PublicKey) }

// reseals changes the first event of a log and makes every seal anew, as somebody with all rights and this program's source could.
func reseals(t *testing.T, url, schema string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), strings.ReplaceAll(`lock table @.seals;
			update @.events set meta = (meta::text || ' ')::json where position = (select min(position) from @.events);
			update @.seals s set entries = (select string_agg(int8send(position) || uuid_send(stream) || int8send(version)
				|| sha256(record_send(row(position, stream, version, type, data, meta, at))), ''::bytea order by position)
				from @.events where position > s.after and position <= s.last)`, "@", schema))
		if err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), strings.ReplaceAll("select after from @.seals order by after", "@", schema))
		if err != nil {
			return err
		}
		seals, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for _, after := range seals {
			_, err := tx.Exec(t.Context(), strings.ReplaceAll(`update @.seals set hash = sha256(coalesce((select hash from @.seals where after < $1 order by after desc limit 1), '') || entries)
				where after = $1`, "@", schema), after)
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// restoredDump restores a dump into another database, which must verify against its seals and the kept heads.
func restoredDump(t *testing.T, s *harness.Site, kept string) {
	for _, program := range []string{"pg_dump", "pg_restore"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	from, to := pgtest.Direct(t, s.Settings.DatabaseURL), pgtest.NewEmpty(t)
	dump := filepath.Join(t.TempDir(), "shop.dump")
	for _, command := range [][]string{
		{"pg_dump", "--format=custom", "--file=" + dump, from},
		{"pg_restore", "--no-owner", "--exit-on-error", "--dbname=" + pgtest.Direct(t, to), dump},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	restored := harness.OpenUnchecked(t, func(_ testing.TB, c *config.Config) { c.DatabaseURL = to }, sealsSoon)
	found, err := verifies(t, restored, kept)
	require.NoError(t, err, "%+v", found.Data)
	require.Greater(t, found.Checked.Events, 20)
	ada := restored.Shopper(t)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, restored.AddProduct(t, 500)), "sim_ok", harness.Waiting), http.StatusCreated)
	awaitSealed(t, restored)
	found, err = verifies(t, restored, kept)
	require.NoError(t, err, "it goes on from there: %+v", found.Data)
}
