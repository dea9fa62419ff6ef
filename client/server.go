package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// StartWait is how long the demo waits for a server that is about to start.
const StartWait = time.Minute

// BaseURL returns the address of a server without a slash at its end; it comes from the settings when none is given.
func BaseURL(local Local, given string) (string, error) {
	if base := strings.TrimSuffix(given, "/"); base != "" {
		return base, nil
	}
	return local.BaseURL()
}

// Redacted returns the address of a server without its password, for messages.
func Redacted(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return "the server"
	}
	return u.Redacted()
}

// Connect finds a server that is ready, and a token for its operator; what is not given comes from the settings. It waits for
// the server at most so long, and says so.
func Connect(ctx context.Context, local Local, given, token, subject string, waits time.Duration) (base, operator string, err error) {
	if base, err = BaseURL(local, given); err != nil {
		return "", "", err
	}
	if err := AwaitReady(ctx, base, waits, os.Stderr); err != nil {
		return "", "", err
	}
	if token == "" {
		token, err = local.Mint(subject, []string{ScopeAdmin}, TokenLife)
	}
	return base, token, err
}

// AwaitReady asks until the server is ready, for as long as limit. It says once, to notices, that it waits.
func AwaitReady(ctx context.Context, base string, limit time.Duration, notices io.Writer) error {
	until := time.Now().Add(limit)
	for pause := ShortestWait; ; pause = min(2*pause, time.Second) {
		err := CheckReady(ctx, base)
		if err == nil || ctx.Err() != nil || errors.As(err, new(*ForeignServerError)) {
			return err
		}
		if limit == 0 {
			return fmt.Errorf("%s: %w", Redacted(base), err)
		}
		if time.Now().Add(pause).After(until) {
			return fmt.Errorf("%s did not get ready within %s: %w", Redacted(base), limit, err)
		}
		if pause == ShortestWait {
			fmt.Fprintf(notices, "%s is not ready yet; waiting for it up to %s: %v\n", Redacted(base), limit, err)
		}
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ForeignServerError says that another program than this one answers at an address.
type ForeignServerError struct{ base string }

func (e *ForeignServerError) Error() string {
	return fmt.Sprintf("what answers at %s is not shopping-cart: name its address with --base-url, or HTTP_ADDR in the settings", Redacted(e.base))
}

// CheckReady returns nil when the server says that it can serve.
func CheckReady(ctx context.Context, base string) error {
	status, err := probe(ctx, base, "/readyz", "ready", "degraded")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the server is not ready: %d %s", status, http.StatusText(status))
	}
	return err
}

// CheckAlive returns nil when a server answers at all, ready or not.
func CheckAlive(ctx context.Context, base string) error {
	_, err := probe(ctx, base, "/healthz", "ok")
	if err != nil && !errors.As(err, new(*ForeignServerError)) {
		return fmt.Errorf("no server answers at %s: %w", Redacted(base), err)
	}
	return err
}

// ExplainUnauthorized adds to the refusal of a token why the server may have refused it. given is the token that the command was called with, empty
// where it was made of the settings.
func ExplainUnauthorized(base, given string, err error) error {
	var no *Refusal
	switch {
	case !errors.As(err, &no) || no.Status != http.StatusUnauthorized:
		return err
	case given != "":
		return fmt.Errorf("the server at %s does not take the token of --admin-token: %w", Redacted(base), err)
	}
	return fmt.Errorf("the server at %s does not run with the settings of this folder: its AUTH_SECRET or AUTH_AUDIENCE is another: %w", Redacted(base), err)
}

// probeTimeout bounds one question to a server.
const probeTimeout = 5 * time.Second

// probe asks a question that has no body but a status, and is a *strangerError where the answer has none of these words. A server
// error is an answer too: a proxy may give it while the server starts.
func probe(ctx context.Context, base, path string, words ...string) (status int, err error) {
	bounded, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodGet, base+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return 0, fmt.Errorf("it does not answer within %s", probeTimeout)
	}
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusInternalServerError {
		return response.StatusCode, nil
	}
	var said struct{ Status any }
	err = json.NewDecoder(io.LimitReader(response.Body, probeLimit)).Decode(&said)
	word, _ := said.Status.(string)
	if err != nil || response.StatusCode != http.StatusOK || !slices.Contains(words, word) {
		return response.StatusCode, &ForeignServerError{base}
	}
	return response.StatusCode, nil
}

// probeLimit is how many bytes of an answer are read.
const probeLimit = 64 << 10

// Local is what the tools learn from the settings on this machine.
type Local interface {
	// BaseURL is where the server is, without a slash at the end.
	BaseURL() (string, error)
	// Mint makes a token as the server does.
	Mint(subject string, scopes []string, ttl time.Duration) (string, error)
}

// ScopeAdmin is the scope of operators.
const ScopeAdmin = "admin"

const TokenLife = 24 * time.Hour

// CheckBaseURL refuses what is no address of a server. An empty one stands for the server of these settings.
func CheckBaseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("--base-url must be a URL such as http://localhost:8080")
	}
	return nil
}
