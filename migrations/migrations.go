// Package migrations holds the SQL that builds the schemas, one folder each, embedded in the binary.
//
// The folder store is no schema: it is what every module keeps its streams, events and receipts in, and goes into
// each of StoreSchemas. A schema's own tables stand in the folder of its name. The SQL names no schema; it runs with
// the search path set to the one it is for. Migrations only go forward. [shopping-cart/platform/database.Migrate]
// applies them.
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
