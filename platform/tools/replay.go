package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Replay plays the invoices of a file against a running server, as a shop would:
//
//	file ── readInvoices ──► products, baskets          replay_file.go
//	        stock the price book                        replay_shop.go
//	        per basket: session, cart, lines, checkout  replay_shop.go
//	        read orders, payments and ledger back       replay_audit.go
//	report ◄─ compare file, orders and ledger           replay_report.go
//
// Baskets run side by side, the lines of one basket one after the other. Each run plays under guests and keys of its
// own, so a second run on the same server gives the numbers of the first.
type Replay struct {
	File        string `arg:"" type:"existingfile" help:"CSV of invoice lines, may be gzipped: InvoiceNo, StockCode, Description, Quantity, UnitPrice (GBP), CustomerID, Country."`
	Concurrency int    `default:"32" help:"Baskets played side by side."`
	BaseURL     string `help:"Where the server is; from its settings when empty."`
	AdminToken  string `help:"An operator's token; minted from the settings of the server when empty."`
	Quiet       bool   `help:"Show no progress."`
	JSON        bool   `name:"json" help:"Print the report as JSON: counts, times in seconds, totals in pence."`
}

var errTotalsDiffer = errors.New("the file, the orders and the ledger do not agree")

// Run plays the file and prints the report. It fails when the file, the confirmed orders and the ledger of the payment
// provider do not agree to the penny, or the server is not there.
func (r *Replay) Run(ctx context.Context, out io.Writer, local Local) error {
	book, err := openInvoices(r.File)
	if err != nil {
		return err
	}
	shop, err := r.shop(ctx, local)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := shop.stock(ctx, book.products); err != nil {
		return fmt.Errorf("make the products: %w", unknownHere(shop.client.base, r.AdminToken, err))
	}
	stocked := time.Now()
	played, err := shop.playAll(ctx, book.baskets)
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

// shop is the shop that plays, once the server is seen to be there.
func (r *Replay) shop(ctx context.Context, local Local) (*shop, error) {
	base, token, err := reach(ctx, local, r.BaseURL, r.AdminToken, "replay", 0)
	if err != nil {
		return nil, err
	}
	server := newClient(base, r.Concurrency)
	server.silent = r.Quiet
	return &shop{
		client: server, operator: token, run: uuid.NewString(), abreast: r.Concurrency,
		progress: progress{silent: r.Quiet || !isTerminal(os.Stderr)}, guests: map[string]*guest{},
	}, nil
}

// abreast calls do with every index below n, so many at once, and stops at the first error.
func abreast(ctx context.Context, many, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next, mu := 0, sync.Mutex{}
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	for range min(many, n) {
		g.Go(func() error {
			for i := take(); i < n; i = take() {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
