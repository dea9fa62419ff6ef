package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"shopping-cart/client"
	"shopping-cart/internal/replay"
)

// Verify asks a running server to check every promise over all data. Its exit status is 0 if all are kept, 2 if not, and 1 if the
// check failed.
type Verify struct {
	BaseURL string  `help:"Address of the server; from its settings when empty."`
	JSON    bool    `help:"Print JSON: the number of checks, and every finding."`
	Quiet   bool    `help:"Show no progress."`
	Heads   string  `help:"File with heads of the logs that \"shopping-cart heads\" printed earlier, to compare the logs with." type:"existingfile"`
	Heal    Healing `help:"Repair unambiguous findings. Repaired ones do not count as broken. --heal=refund-lost also refunds captures of unknown payments."`
}

// Healing selects the repairs: "" none, "safe" unambiguous ones, "refund-lost" also refunds captures of unknown payments.
type Healing string

// The values of Healing.
const (
	healSafe       Healing = "safe"
	healRefundLost Healing = "refund-lost"
)

// IsBool tells Kong that the flag needs no value.
func (Healing) IsBool() bool { return true }

// Decode parses --heal and --heal=refund-lost.
func (h *Healing) Decode(c *kong.DecodeContext) error {
	if c.Scan.Peek().Type != kong.FlagValueToken {
		*h = healSafe
		return nil
	}
	switch value := c.Scan.Pop().String(); value {
	case "true":
		*h = healSafe
	case "false":
		*h = ""
	case string(healRefundLost):
		*h = healRefundLost
	default:
		return fmt.Errorf("%q is not refund-lost", value)
	}
	return nil
}

// reconciled is an answer of the server, with its findings as raw JSON.
type reconciled struct {
	Checked    map[string]int    `json:"checked"`
	Data       []json.RawMessage `json:"data"`
	NextCursor *string           `json:"next_cursor,omitempty"`
}

// finding holds the printed fields of a finding.
type finding struct {
	ID, Detail, Remedy, Done string
	Healable                 bool
	Healed                   *bool
}

// Broken means that promises do not hold.
type Broken struct{ Findings int }

func (b *Broken) Error() string {
	if b.Findings == 1 {
		return "1 promise is not kept"
	}
	return fmt.Sprintf("%d promises are not kept", b.Findings)
}

// ExitCode returns the exit status of the program.
func (*Broken) ExitCode() int { return 2 }

// Run prints the findings. It asks repeatedly, since one answer covers only as much as its time allows.
func (v *Verify) Run(ctx context.Context, out io.Writer, local client.Local) (err error) {
	server, token, err := operator(ctx, local, v.BaseURL, "verify")
	if err != nil {
		return err
	}
	began := time.Now()
	server.Silent = v.Quiet
	all, err := v.ask(ctx, server, token)
	if err != nil {
		return err
	}
	if v.Heads != "" {
		if err := v.compareHeads(ctx, server, token, &all); err != nil {
			return err
		}
	}
	open, err := v.print(out, all, time.Since(began))
	if err == nil && open > 0 {
		err = &Broken{open}
	}
	return err
}

// ask collects all answers. A finding in several answers counts once.
func (v *Verify) ask(ctx context.Context, c *client.Client, token string) (all reconciled, err error) {
	method := http.MethodGet
	query := url.Values{}
	if v.Heal != "" {
		method = http.MethodPost
	}
	if v.Heal == healRefundLost {
		query.Set("refund_lost", "true")
	}
	all, seen := reconciled{Checked: map[string]int{}, Data: []json.RawMessage{}}, map[string]bool{}
	watched := replay.Progress{Silent: v.Quiet || !replay.IsTerminal(os.Stderr)}
	tick, done := watched.Show("answers, of about twenty seconds each", replay.UnknownLength)
	defer done()
	for {
		part, _, err := client.Ask[reconciled](ctx, c, client.Call{Method: method, Path: "/v1/admin/reconciliation?" + query.Encode(), Token: token})
		if err != nil {
			return all, client.ExplainUnauthorized(c.Base, "", err)
		}
		tick()
		for name, n := range part.Checked {
			all.Checked[name] += n
		}
		for _, raw := range part.Data {
			var one finding
			if err := json.Unmarshal(raw, &one); err != nil {
				return all, fmt.Errorf("read a finding: %w", err)
			}
			if !seen[one.ID] {
				all.Data = append(all.Data, raw)
			}
			seen[one.ID] = true
		}
		if part.NextCursor == nil {
			return all, nil
		}
		query.Set("cursor", *part.NextCursor)
	}
}

// compareHeads adds the findings of a comparison with the kept heads.
func (v *Verify) compareHeads(ctx context.Context, c *client.Client, token string, all *reconciled) error {
	kept, err := os.ReadFile(v.Heads)
	if err != nil {
		return err
	}
	found, _, err := client.Ask[reconciled](ctx, c, client.Call{Method: http.MethodPost, Path: logHeads, Token: token, Body: kept})
	if err != nil {
		return fmt.Errorf("compare with the heads in %s: %w", v.Heads, err)
	}
	all.Data = append(all.Data, found.Data...)
	all.Checked["heads"] += found.Checked["heads"]
	return nil
}

// print prints the findings and returns how many are not repaired.
func (v *Verify) print(out io.Writer, all reconciled, took time.Duration) (open int, err error) {
	var text strings.Builder
	for _, raw := range all.Data {
		var one finding
		if err := json.Unmarshal(raw, &one); err != nil {
			return 0, fmt.Errorf("read a finding: %w", err)
		}
		what, how := "repair by hand", one.Remedy
		switch {
		case one.Healed != nil && *one.Healed:
			what, how = "repaired", cmp.Or(one.Done, "it is gone")
		case one.Healed != nil:
			what, open = "not repaired yet", open+1
		case one.Healable:
			what, open = "--heal repairs it", open+1
		default:
			open++
		}
		fmt.Fprintf(&text, "%s\n  %s\n  %s: %s\n", one.ID, one.Detail, what, how)
	}
	if v.JSON {
		return open, json.NewEncoder(out).Encode(all)
	}
	fmt.Fprintf(&text, "%d checkouts, %d streams, %d receipts, %d sealed events, %d heads, %d balances, %d stocks checked in %s: %d found, %d left\n",
		all.Checked["checkouts"], all.Checked["streams"], all.Checked["receipts"], all.Checked["events"], all.Checked["heads"], all.Checked["balances"], all.Checked["stocks"],
		took.Round(time.Millisecond), len(all.Data), open)
	if n := all.Checked["left_out"]; n == 1 {
		text.WriteString("1 checkout or payment of the last minute was left out, since it may be in progress: run it again in a minute\n")
	} else if n > 1 {
		fmt.Fprintf(&text, "%d checkouts and payments of the last minute were left out, since they may be in progress: run it again in a minute\n", n)
	}
	_, err = io.WriteString(out, text.String())
	return open, err
}
