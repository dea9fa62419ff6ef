// Package migrations holds the SQL that builds the schemas, one folder each, embedded in the binary.
//
// The folder store is no schema: it is what every module keeps its streams, events and receipts in, and goes into
// each of StoreSchemas. A schema's own tables stand in the folder of its name. The SQL names no schema; it runs with
// the search path set to the one it is for. Migrations only go forward. [shopping-cart/platform/database.Migrate]
// applies them while processes of an older version are at work, so a file must not hold a lock that stops them:
//
//   - A file is one transaction. A table that it makes is its own, and so are all tables for the file that makes the schema,
//     00001. To other tables it may only add columns that cost no rewrite.
//   - An index on such a table stands in a file of its own, or with other ones, as "create index concurrently". That file
//     runs outside a transaction. One that was cut off is built again at the next start.
//   - Rows are not changed. A backfill belongs into the program, in batches.
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

// StoreSchemas are the schemas of the modules: each gets the Store folder, then its own.
var StoreSchemas = []string{"cart", "orders", "payment", "saga"}

// Schemas are all schemas, in the order in which they are migrated.
var Schemas = []string{"cart", "orders", "payment", "saga", "simulator"}
