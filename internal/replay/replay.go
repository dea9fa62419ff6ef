// Package replay plays the invoices of a file against a running server, and compares file, orders and ledger.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"shopping-cart/client"
)

// Replay plays the invoices of a file against a running server, as a shop would:
//
//	file ── readInvoices ──► products, baskets          invoices.go, baskets.go
//	        stock the price book                        shop.go
//	        per basket: session, cart, lines, checkout  shop.go
//	        read orders, payments and ledger back       audit.go
//	report ◄─ compare file, orders and ledger           report.go
//
// Baskets run concurrently, and the lines of one basket in sequence. Each run has its own guests and keys, so a second run on
// the same server gives the same numbers.
type Replay struct {
	File        string `arg:"" type:"existingfile" help:"CSV of invoice lines, may be gzipped: InvoiceNo, StockCode, Description, Quantity, UnitPrice (GBP), CustomerID, Country."`
	Concurrency int    `default:"32" help:"Concurrent baskets."`
	BaseURL     string `help:"Address of the server; from its settings when empty."`
	AdminToken  string `help:"An operator's token; made from the settings of the server when empty."`
	Quiet       bool   `help:"Show no progress."`
	JSON        bool   `name:"json" help:"Print the report as JSON: counts, times in seconds, totals in pence."`
}

var errTotalsDiffer = errors.New("the file, the orders and the ledger do not agree")

// Run plays the file and prints the report. It fails if the server is absent, or if the file, the confirmed orders and the
// provider's ledger differ by a penny.
func (r *Replay) Run(ctx context.Context, out io.Writer, local client.Local) error {
	book, err := openInvoices(r.File)
	if err != nil {
		return err
	}
	shop, err := r.shop(ctx, local)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := shop.stock(ctx, book.Products); err != nil {
		return fmt.Errorf("make the products: %w", client.ExplainUnauthorized(shop.client.Base, r.AdminToken, err))
	}
	stocked := time.Now()
	played, err := shop.playAll(ctx, book.Baskets)
	if err != nil {
		return err
	}
	ended := time.Now()
	found, err := shop.audit(ctx)
	if err != nil {
		return fmt.Errorf("read the orders back: %w", err)
	}
	report := compare(book, played, found)
	report.file = filepath.Base(r.File)
	report.phases = [3]time.Duration{stocked.Sub(began), ended.Sub(stocked), time.Since(ended)}
	if r.JSON {
		err = report.encode(out)
	} else {
		err = report.print(out)
	}
	if err != nil {
		return err
	}
	if !report.agrees() {
		return errTotalsDiffer
	}
	return nil
}

// shop returns a client shop after it has reached the server.
func (r *Replay) shop(ctx context.Context, local client.Local) (*shop, error) {
	base, token, err := client.Connect(ctx, local, r.BaseURL, r.AdminToken, "replay", 0)
	if err != nil {
		return nil, err
	}
	server := client.New(base, r.Concurrency)
	server.Silent = r.Quiet
	return &shop{
		client: server, operator: token, run: uuid.NewString(), Parallel: r.Concurrency,
		progress: Progress{Silent: r.Quiet || !IsTerminal(os.Stderr)}, guests: map[string]*guest{},
	}, nil
}

const maxConcurrency = 1024

// Validate refuses an unplayable command line.
func (r *Replay) Validate() error {
	if r.Concurrency < 1 || r.Concurrency > maxConcurrency {
		return fmt.Errorf("--concurrency must be 1 to %d", maxConcurrency)
	}
	return client.CheckBaseURL(r.BaseURL)
}

func (*Replay) Help() string {
	return `Examples:

  shopping-cart replay docs/data/online-retail-sample.csv.gz
  shopping-cart replay invoices.csv --concurrency 128
  shopping-cart replay invoices.csv --json | jq .agrees

Every invoice becomes a cart, which is checked out and paid. Then the orders and the provider's ledger are read back and must agree with
the file to the penny. Each run has its own guests and keys, so it can be repeated. It needs a server with the simulator as its provider.

Exit status: 0 they agree, 1 they do not, or the server is not reachable.`
}
