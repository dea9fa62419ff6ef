// Package migrations holds the SQL that builds the schemas, one folder each, embedded in the binary.
//
// The folder store is no schema. It holds the tables for streams, events and receipts, and goes into each of StoreSchemas. The
// folder of a schema holds the schema's own tables. The SQL names no schema: it runs with the search path set to one.
// [shopping-cart/platform/database.Migrate] applies migrations while processes of an older version are at work, so a file must
// not hold a lock that stops them. Migrations only go forward.
//
//   - A file is one transaction. It may do anything to a table that it creates, and the file that creates the schema, 00001, to all
//     tables. To other tables it may only add columns without a rewrite.
//   - An index on another table is in a file of its own, or with other such indexes, as "create index concurrently". That file runs
//     outside a transaction. After an interruption the next start builds the index again.
//   - Rows are not changed. A backfill belongs in the program, in batches.
//
// TestLocks refuses anything else.
package migrations

import "embed"

// FS holds every migration as <folder>/<number>_<name>.sql.
//
//go:embed */*.sql
var FS embed.FS

// Store is the folder of the tables that every module has.
const Store = "store"

// StoreSchemas lists the schemas of the modules: each gets the Store folder, then its own.
var StoreSchemas = []string{"audit", "cart", "orders", "payment", "saga"}

// Schemas lists all schemas in the order of their migration.
var Schemas = []string{"audit", "cart", "orders", "payment", "saga", "simulator"}
