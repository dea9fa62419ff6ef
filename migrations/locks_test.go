package migrations_test

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/migrations"
)

// TestLocks: no migration holds a lock that stops a running process for long.
func TestLocks(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.FS, "*/*.sql")
	require.NoError(t, err)
	require.Greater(t, len(files), 10, "the test looks at the wrong place")
	for _, file := range files {
		text, err := fs.ReadFile(migrations.FS, file)
		require.NoError(t, err)
		for _, refusal := range refusals(string(text), strings.HasPrefix(path.Base(file), "00001_")) {
			t.Errorf("migrations/%s:%s", file, refusal)
		}
	}
}

// TestVersions: a number that two files of a folder share is applied once, with one of them.
func TestVersions(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.FS, "*/*.sql")
	require.NoError(t, err)
	seen := map[string]string{}
	for _, file := range files {
		version, _, _ := strings.Cut(file, "_")
		require.Empty(t, seen[version], "%s has the number of another file", file)
		seen[version] = file
	}
}

func TestLocksRefuses(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"create index i on streams (id)",
		"create unique index i on streams (id)",
		"create table a (id int); create index concurrently i on a (id)",
		"drop index streams_key", "drop table contacts", "truncate contacts", "lock table streams", "reindex table streams",
		"update contacts set email = lower(email)", "delete from contacts",
		"with old as (delete from contacts returning id) insert into erased select id from old",
		"do $$ begin perform 1; end $$",
		"alter table streams add column at timestamptz not null default clock_timestamp()",
		"alter table streams add column id2 uuid default gen_random_uuid()",
		"alter table streams add column n serial", "alter table streams add n int not null",
		"alter table streams add column n int generated always as identity",
		"alter table streams add column n int unique", "alter table streams add column n int references contacts",
		"alter table streams add column n int check (n > 0)",
		"alter table streams add column a int, alter column b set not null",
		"alter table streams add constraint positive check (version > 0)", "alter table streams add unique (key)",
		"alter table streams alter column version type int", "alter table streams drop column version",
		"alter table streams rename to flows", "alter table streams set (fillfactor = 50)",
		"create trigger t before update on streams for each row execute function f()",
	} {
		require.NotEmpty(t, refusals(sql, false), sql)
	}
	for _, sql := range []string{
		"create index concurrently i on streams (id); create unique index concurrently j on streams (id) where id > 0",
		"create table a (id int); create index i on a (id); alter table a add unique (id); update a set id = 1",
		"alter table streams add column of_tomorrow text",
		"alter table streams add column a int not null default 1, add column b boolean default false, add column c text default 'x', add d numeric(10, 2)",
		"alter table streams add constraint positive check (version > 0) not valid",
		"insert into subscriptions (name) values ('x')", "create sequence s", "comment on table streams is 'x'",
	} {
		require.Empty(t, refusals(sql, false), sql)
	}
	require.Equal(t, []string{"3: update contacts set x = 1: changes rows: do it in the program, in batches"},
		refusals("-- a; b\n\nupdate contacts\n  set x = 1;\n", false), "the line of the statement")
	require.Empty(t, refusals("create index i on streams (id)", true), "in the file that makes the schema")
}

// refusals returns the statements of a migration that lock an existing table for long or are unknown, with their lines. All
// tables are new to the file that creates the schema.
func refusals(text string, first bool) (all []string) {
	var made []string
	concurrent := len(migrations.Indexes(text)) > 0
	for _, s := range migrations.Statements(text) {
		sql := strings.ToLower(strings.Join(strings.Fields(s.SQL), " "))
		if m := createTable.FindStringSubmatch(sql); m != nil {
			made = append(made, m[1])
			continue
		}
		m := target.FindStringSubmatch(sql)
		if first || m != nil && slices.Contains(made, m[1]) && !strings.Contains(sql, "concurrently") {
			continue
		}
		if _, ok := s.Index(); ok && concurrent {
			continue
		}
		if why := refusal(sql); why != "" {
			all = append(all, fmt.Sprintf("%d: %s: %s", s.Line, sql, why))
		}
	}
	return all
}

var (
	createTable = regexp.MustCompile(`^create table (?:if not exists )?(\w+)`)
	// target is the table of a statement that may do anything to a table of the same file.
	target    = regexp.MustCompile(`^(?:create (?:unique )?index(?: if not exists)? \w+ on|alter table|update|delete from) (\w+)`)
	addsOnly  = regexp.MustCompile(`^alter table \w+ (.*)$`)
	addColumn = regexp.MustCompile(`^add (?:column )?(?:if not exists )?\w+ [a-z ]*?[a-z]+(?:\(\d+(?:, ?\d+)?\))?(?:\[\])?( not null)?( default (?:-?\d+|true|false|'[^']*'))?( not null)?$`)
	notValid  = regexp.MustCompile(`^alter table \w+ add constraint .* not valid$`)
	harmless  = regexp.MustCompile(`^(?:create sequence|comment on|insert into|with .*insert into) `)
	changes   = regexp.MustCompile(`\b(?:update|delete from|merge into) \w+`)
	costly    = regexp.MustCompile(`\b(?:serial|bigserial|smallserial|generated|unique|primary|references|check|collate)\b`)
)

// refusal returns the reason why a statement on an existing table is refused, or "".
func refusal(sql string) string {
	switch {
	case strings.HasPrefix(sql, "create index concurrently"), strings.HasPrefix(sql, "create unique index concurrently"):
		return "stands in a file with other statements, or is not of the form: create index concurrently <name> on <table> (…)"
	case strings.HasPrefix(sql, "create index"), strings.HasPrefix(sql, "create unique index"):
		return "locks the table against writes while it builds: create it concurrently, in a file of its own"
	case changes.MatchString(sql):
		return "changes rows: do it in the program, in batches"
	case harmless.MatchString(sql), notValid.MatchString(sql):
		return ""
	case strings.HasPrefix(sql, "alter table"):
		return ofColumns(addsOnly.FindStringSubmatch(sql))
	}
	return "is not among the statements that are known to lock nothing for long"
}

// ofColumns checks the part of an alter table after the table's name.
func ofColumns(alter []string) string {
	if alter == nil {
		return "is not of the form: alter table <name> add column …"
	}
	for part := range strings.SplitSeq(strings.ReplaceAll(alter[1], ", add ", ";add "), ";") {
		column := addColumn.FindStringSubmatch(part)
		if column == nil || costly.MatchString(part) {
			return "reads or writes every row, or breaks what runs: only columns without a default, or with a constant one, may be added"
		}
		if (column[1] != "" || column[3] != "") && column[2] == "" {
			return "a column that is not null needs a constant default"
		}
	}
	return ""
}
