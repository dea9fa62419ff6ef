package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var shots = flag.String("shots", "", "a folder for pictures of the pages that the browser tests see")

// stroll is a visitor of the shop, in a browser.
type stroll struct {
	*page
	*site
}

func (s *site) strolls(t *testing.T, path string) *stroll {
	t.Helper()
	return &stroll{s.browses(t, path, "main > *"), s}
}

// sees waits until an element shows that text.
func (p *stroll) sees(selected, text string) {
	p.Helper()
	var found string
	holds := func() bool {
		p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].filter(e => e.checkVisibility()).map(e => e.innerText).join("\n")`, selected), &found))
		return strings.Contains(found, text)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if !eventually(ctx, holds) {
		var whole string
		p.do(chromedp.Evaluate(`document.body.innerText`, &whole))
		require.Fail(p, "not seen", "%q in %s, which shows %q; complaints %v; the page:\n%s", text, selected, found, p.complaints(), whole)
	}
}

// counts waits until there are so many.
func (p *stroll) counts(selected string, n int) {
	p.Helper()
	until(p, fmt.Sprintf("there are %d %s", n, selected), func() (holds bool) {
		p.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).length === %d`, selected, n), &holds))
		return holds
	})
}

func (p *stroll) evaluates(script string) {
	p.Helper()
	p.do(chromedp.Evaluate(script, nil))
}

func (p *stroll) goes(path string) {
	p.Helper()
	p.do(chromedp.Navigate(strings.Replace(p.base, "127.0.0.1", publicName, 1)+path), chromedp.WaitVisible("main > *", chromedp.ByQuery))
}

func (p *stroll) reloads() {
	p.Helper()
	p.do(chromedp.Reload(), chromedp.WaitVisible("main > *", chromedp.ByQuery))
}

// buys puts one of a product into the cart.
func (p *stroll) buys(sku string) {
	p.Helper()
	p.goes("/shop/products/" + url.PathEscape(sku))
	p.press(".product .buy")
	p.sees(".toast", "is in your cart")
}

// pays checks out with one of the simulator's cards.
func (p *stroll) pays(card string) {
	p.Helper()
	p.goes("/shop/checkout")
	p.press(fmt.Sprintf("input[value=%q]", card))
	p.press("button.large")
}

// forgives takes one complaint off: a refusal that the step was about, which browsers write into their console.
func (p *stroll) forgives(status int) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	refusal := regexp.MustCompile(fmt.Sprintf(`^(%d http|Failed to load resource: .*\b%d\b)`, status, status))
	before := len(p.faults)
	p.faults = slices.DeleteFunc(p.faults, refusal.MatchString)
	require.Less(p, len(p.faults), before, "there was no refusal")
}

// axe finds what keeps people from using a page. It is axe-core 4.14.1 (MPL 2.0), https://github.com/dequelabs/axe-core.
var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("testdata/axe.min.js")
	return string(text), err
})

// looksGood looks at the page by day and by night, on a desk and on a phone: nothing keeps anybody from using it, nothing
// sticks out at its side.
func (p *stroll) looksGood(name string) {
	p.Helper()
	script, err := axe()
	require.NoError(p, err)
	p.evaluates(script)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			seen := fmt.Sprintf("%s-%s-%d", name, scheme, width)
			p.do(emulation.SetDeviceMetricsOverride(width, 844, 1, false),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
				}))
			var wrong []string
			p.do(chromedp.Evaluate(`document.fonts.ready.then(() => new Promise(requestAnimationFrame)).then(() => axe.run({resultTypes: ["violations"]}))
				.then(found => found.violations.filter(v => v.impact === "serious" || v.impact === "critical")
					.map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; ")))
				.then(all => document.documentElement.scrollWidth > innerWidth ? [...all, "it is wider than the window: " + document.documentElement.scrollWidth] : all)`,
				&wrong, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
			p.pictures(seen)
			require.Empty(p, wrong, seen)
		}
	}
	p.do(emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia())
}

func (p *stroll) pictures(name string) {
	p.Helper()
	if *shots == "" {
		return
	}
	var picture []byte
	p.do(chromedp.CaptureScreenshot(&picture))
	require.NoError(p, os.WriteFile(filepath.Join(*shots, "shop-"+name+".png"), picture, 0o644))
}
