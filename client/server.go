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

// StartWait limits how long the demo waits for a server that is starting.
const StartWait = time.Minute

// BaseURL returns the address of a server without a trailing slash. An empty address means the one from the settings.
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

// Connect finds a ready server and a token for its operator. Omitted values come from the settings. It waits for the server at
// most for the given time, and prints a notice.
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

// AwaitReady asks until the server is ready or limit is over. It writes one notice to notices when it has to wait.
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
			return fmt.Errorf("%s was not ready within %s: %w", Redacted(base), limit, err)
		}
		if pause == ShortestWait {
			fmt.Fprintf(notices, "%s is not ready yet; waiting for up to %s: %v\n", Redacted(base), limit, err)
		}
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ForeignServerError means that another program answers at the address.
type ForeignServerError struct{ base string }

func (e *ForeignServerError) Error() string {
	return fmt.Sprintf("the program at %s is not shopping-cart: set the address with --base-url, or HTTP_ADDR in the settings", Redacted(e.base))
}

// CheckReady returns nil if the server reports that it is ready.
func CheckReady(ctx context.Context, base string) error {
	status, err := probe(ctx, base, "/readyz", "ready", "degraded")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the server is not ready: %d %s", status, http.StatusText(status))
	}
	return err
}

// CheckAlive returns nil if a server answers, ready or not.
func CheckAlive(ctx context.Context, base string) error {
	_, err := probe(ctx, base, "/healthz", "ok")
	if err != nil && !errors.As(err, new(*ForeignServerError)) {
		return fmt.Errorf("no server answers at %s: %w", Redacted(base), err)
	}
	return err
}

// ExplainUnauthorized adds the probable reason to the refusal of a token. given is the token of the command line, or empty if it
// was made from the settings.
func ExplainUnauthorized(base, given string, err error) error {
	var no *Refusal
	switch {
	case !errors.As(err, &no) || no.Status != http.StatusUnauthorized:
		return err
	case given != "":
		return fmt.Errorf("the server at %s refuses the token of --admin-token: %w", Redacted(base), err)
	}
	return fmt.Errorf("the server at %s does not use the settings of this folder: its ADMIN_SECRET or AUTH_AUDIENCE differs: %w", Redacted(base), err)
}

// probeTimeout limits one probe.
const probeTimeout = 5 * time.Second

// probe returns the status of a GET. It returns a *ForeignServerError if the answer contains none of these words. A server error
// is an answer too: a proxy may send it while the server starts.
func probe(ctx context.Context, base, path string, words ...string) (status int, err error) {
	bounded, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodGet, base+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return 0, fmt.Errorf("no answer within %s", probeTimeout)
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

// probeLimit limits the bytes read from an answer.
const probeLimit = 64 << 10

// Local gives the tools access to the settings on this machine.
type Local interface {
	// BaseURL returns the address of the server without a trailing slash.
	BaseURL() (string, error)
	// Mint makes a token, as the server does.
	Mint(subject string, scopes []string, ttl time.Duration) (string, error)
}

// ScopeAdmin is the scope of operators.
const ScopeAdmin = "admin"

// TokenLife is the lifetime of the tokens of tools: the longest that operators' tokens may have.
const TokenLife = 12 * time.Hour

// CheckBaseURL refuses an invalid address. An empty one means the server of the settings.
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
