// Package demo fills the example shop of a running server and sends customers to it.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/client"
	"shopping-cart/platform/money"
)

// Demo fills the example shop of a running server, and sends customers until it is told to stop:
//
//	invoices of a real shop ──► products, stock     catalog.go
//	        per customer: look, fill, pay, …        visit.go
//	outcomes, a line every few seconds              here
type Demo struct {
	Rate       float64 `default:"2" help:"Customers per second."`
	Seconds    int     `help:"Length of the demo; until Ctrl-C when 0."`
	Seed       uint64  `help:"Seed that draws the same customers again; random when 0."`
	BaseURL    string  `help:"Address of the server; from its settings when empty."`
	AdminToken string  `help:"An operator's token; made from the settings of the server when empty."`
	JSON       bool    `help:"Print JSON: a line with the current numbers every few seconds, and one at the end."`
}

// Catalog is a gzipped CSV of invoices in the format of Replay. It supplies the products and the baskets.
type Catalog []byte

func (Demo) Help() string {
	return `Examples:

  shopping-cart demo                          products, stock, and two customers a second until Ctrl-C
  shopping-cart demo --rate=20 --seconds=60   a busy minute
  shopping-cart demo --json | jq .outcomes    for machines

Customers pay with the simulator's cards. Most work. Some are declined, require 3-D Secure (approved, denied, or ignored), answer late
or never. Some orders are cancelled, some fulfilled, some refunded in part.

Exit status: 0 all customers have finished, also after Ctrl-C, 1 the server cannot be used.`
}

var errShopOff = errors.New("the shop of the server is disabled, and the demo needs it; set SHOP=true")

// progressInterval is the time between two lines of progress.
const progressInterval = 2 * time.Second

// Run fills the shop and plays. When ctx ends it returns nil, after the customers in the shop have finished.
func (d *Demo) Run(ctx context.Context, out io.Writer, local client.Local, catalog Catalog) error {
	market, err := d.open(ctx, local, catalog)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "stopped before the server was ready")
		return nil
	} else if err != nil {
		return err
	}
	if err := market.fill(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("fill the shop: %w", client.ExplainUnauthorized(market.client.Base, d.AdminToken, err))
	}
	if !d.JSON {
		fmt.Fprintf(out, "%d products are in stock at %s/shop. Customers arrive; Ctrl-C ends the demo.\n",
			len(market.products), client.Redacted(market.client.Base))
	}
	if d.Seconds > 0 {
		var closed context.CancelFunc
		ctx, closed = context.WithTimeout(ctx, time.Duration(d.Seconds)*time.Second)
		defer closed()
	}
	return d.play(ctx, out, market)
}

// open connects to the server and checks that its shop is enabled.
func (d *Demo) open(ctx context.Context, local client.Local, catalog Catalog) (*market, error) {
	base, token, err := client.Connect(ctx, local, d.BaseURL, d.AdminToken, "demo", client.StartWait)
	if err != nil {
		return nil, err
	}
	c := client.New(base, inShop)
	var no *client.Refusal
	if _, err := c.Do(ctx, client.Call{Method: http.MethodGet, Path: "/shop"}); errors.As(err, &no) && no.Status == http.StatusNotFound {
		return nil, errShopOff
	} else if err != nil {
		return nil, err
	}
	products, baskets, err := catalog.read()
	if err != nil {
		return nil, err
	}
	seed := d.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &market{
		client: c, operator: token, run: uuid.NewString(), products: products, baskets: baskets,
		dice: rand.New(rand.NewPCG(seed, 0)), outcomes: map[string]int{},
	}, nil
}

// inShop limits the concurrent customers. Further ones are turned away.
const inShop = 64

// grace limits how long the remaining customers may take to finish.
const grace = 30 * time.Second

func (d *Demo) play(ctx context.Context, out io.Writer, m *market) error {
	visiting, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var customers sync.WaitGroup
	slots := make(chan struct{}, inShop)
	began, ticker := time.Now(), time.NewTicker(progressInterval)
	defer ticker.Stop()
	arrival := time.NewTimer(0)
	defer arrival.Stop()
	for open := true; open; {
		select {
		case <-ctx.Done():
			open = false
		case <-ticker.C:
			d.report(out, m, began)
		case <-arrival.C:
			arrival.Reset(m.gap(d.Rate))
			select {
			case slots <- struct{}{}:
				visit := m.customer()
				customers.Go(func() {
					defer func() { <-slots }()
					visit.run(visiting)
				})
			default:
			}
		}
	}
	defer time.AfterFunc(grace, abort).Stop()
	customers.Wait()
	d.report(out, m, began)
	return m.failed()
}

// numbers counts the customers by outcome.
type numbers struct {
	Seconds   int            `json:"seconds"`
	Customers int            `json:"customers"`
	Inside    int            `json:"inside"` // of them
	Outcomes  map[string]int `json:"outcomes"`
	Sold      money.Amount   `json:"sold"`
	Refunded  money.Amount   `json:"refunded"`
}

func (d *Demo) report(out io.Writer, m *market, began time.Time) {
	n := m.numbers()
	n.Seconds = int(time.Since(began).Seconds())
	if d.JSON {
		_ = json.NewEncoder(out).Encode(n) // a reader who left is no reason to stop
		return
	}
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(n.Outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", n.Outcomes[outcome], strings.ReplaceAll(outcome, "_", " ")))
	}
	fmt.Fprintf(out, "%4d s  %d customers, %d inside, %s sold, %s refunded: %s\n",
		n.Seconds, n.Customers, n.Inside, n.Sold, n.Refunded, strings.Join(parts, ", "))
}

const maxRate = 1000 // a second

// Validate refuses rates that the demo cannot play.
func (d *Demo) Validate() error {
	if !(d.Rate > 0 && d.Rate <= maxRate) { // NaN fails this too
		return fmt.Errorf("--rate must be above 0 and at most %d", maxRate)
	}
	if d.Seconds < 0 {
		return errors.New("--seconds must be 0 or more")
	}
	return client.CheckBaseURL(d.BaseURL)
}
