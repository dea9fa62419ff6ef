package ui

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// shopBrowser is a browser in the shop.
type shopBrowser struct {
	*page
	*harness.Site
}

func browseShop(t *testing.T, s *harness.Site, path string) *shopBrowser {
	t.Helper()
	p := &shopBrowser{browses(t, s, path, "main > *"), s}
	p.looks("light-desktop") // wide enough for the panel with the server activity
	return p
}

// sees waits until an element shows the text.
func (p *shopBrowser) sees(selected, text string) {
	p.Helper()
	var found string
	holds := func() bool {
		p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].filter(e => e.checkVisibility()).map(e => e.innerText).join("\n")`, selected), &found))
		return strings.Contains(found, text)
	}
	ctx, cancel := context.WithTimeout(p.ctx, harness.Patience)
	defer cancel()
	if !harness.Eventually(ctx, holds) {
		var whole string
		p.do(chromedp.Evaluate(`document.body.innerText`, &whole))
		require.Fail(p, "not seen", "%q in %s, which shows %q; complaints %v; the page:\n%s", text, selected, found, p.complaints(), whole)
	}
}

// counts waits until there are n elements.
func (p *shopBrowser) counts(selected string, n int) {
	p.Helper()
	harness.Until(p, fmt.Sprintf("there are %d %s", n, selected), func() (holds bool) {
		p.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).length === %d`, selected, n), &holds))
		return holds
	})
}

func (p *shopBrowser) evaluates(script string) {
	p.Helper()
	p.do(chromedp.Evaluate(script, nil))
}

func (p *shopBrowser) goes(path string) {
	p.Helper()
	p.do(chromedp.Navigate(strings.Replace(p.Base, "127.0.0.1", publicName, 1)+path), chromedp.WaitVisible("main > *", chromedp.ByQuery))
}

func (p *shopBrowser) reloads() {
	p.Helper()
	p.do(chromedp.Reload(), chromedp.WaitVisible("main > *", chromedp.ByQuery))
}

// buys puts one of a product into the cart.
func (p *shopBrowser) buys(sku string) {
	p.Helper()
	p.goes("/shop/products/" + url.PathEscape(sku))
	p.press(".product .buy")
	p.sees(".toast", "is in your cart")
}

// pays checks out with a card of the simulator.
func (p *shopBrowser) pays(card string) {
	p.Helper()
	p.goes("/shop/checkout")
	p.press(fmt.Sprintf("input[value=%q]", card))
	p.press("button.large")
}

// forgives removes the expected refusal from the complaints: browsers write it into their console.
func (p *shopBrowser) forgives(status int) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	refusal := regexp.MustCompile(fmt.Sprintf(`^(%d http|Failed to load resource: .*\b%d\b)`, status, status))
	before := len(p.faults)
	p.faults = slices.DeleteFunc(p.faults, refusal.MatchString)
	require.Less(p, len(p.faults), before, "there was no refusal")
}

// looksGood checks the page in light and dark colors, on a desktop and on a phone.
func (p *shopBrowser) looksGood(name string) {
	p.Helper()
	p.judgesAll("shop-" + name)
}
