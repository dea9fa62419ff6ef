package docs

import _ "embed" // data/online-retail-sample.csv.gz

// Invoices are lines of invoices of a real shop, zipped CSV; data/README.md says whose.
//
//go:embed data/online-retail-sample.csv.gz
var Invoices []byte
