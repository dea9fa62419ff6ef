package stripe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/conformance"
	"shopping-cart/payment/stripe/stripetest"
)

// TestTheVendorsMockServerTakesEveryRequest runs the conformance suite and also sends each request to Stripe's own mock server. That server
// is built from its module. It keeps no state and checks each request against the published document of the API. The answers of the server
// in memory must look like those of the mock server.
func TestTheVendorsMockServerTakesEveryRequest(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the mock server")
	}
	vendor := &vendor{t: t, url: startMock(t)}
	t.Run("Suite", func(t *testing.T) {
		conformance.Run(t, func(t *testing.T) conformance.Subject {
			b := setup(t)
			b.OnRequest = vendor.check
			return b.subject()
		})
	})
	t.Run("ListOfIntents", func(t *testing.T) {
		b, c := yesterday(t, 0)
		b.OnRequest = vendor.check
		_, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
	})
	t.Run("RefundUnderWay", func(t *testing.T) {
		b, c := setup(t), callFor(stripetest.RefundsPending)
		b.OnRequest = vendor.check
		b.do(t, b.Authorize, under(c, "authorize"))
		b.do(t, b.Capture, under(c, "capture"))
		_, err := b.Refund(t.Context(), under(c, "refund/1"))
		require.Error(t, err)
	})
	require.ElementsMatch(t, []string{
		"GET /v1/payment_intents", "GET /v1/payment_intents/{id}", "GET /v1/disputes", "GET /v1/refunds", "GET /v1/refunds/{id}", "POST /v1/payment_intents",
		"POST /v1/payment_intents/{id}/cancel", "POST /v1/payment_intents/{id}/capture", "POST /v1/payment_intents/{id}/confirm",
		"POST /v1/refunds",
	}, vendor.seen)
	t.Run("ItRefusesWhatIsWrong", func(t *testing.T) {
		for _, body := range []string{"amount=1&currency=gbp&captured=manually", "amount=much&currency=gbp", "currency=gbp"} {
			status, _ := vendor.ask(t, http.MethodPost, toCreate, http.Header{}, []byte(body))
			require.Equal(t, http.StatusBadRequest, status, body)
		}
	})
	t.Run("TheAdapterReadsIt", func(t *testing.T) {
		p, c := New(Config{SecretKey: "sk_test_123", BaseURL: vendor.url}), under(callFor("pm_card_visa"), "void")
		answer, err := p.Void(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Voided, answer.Status)
		require.True(t, strings.HasPrefix(answer.ProviderReference, "pi_"), answer.ProviderReference)
	})
}

// startMock builds Stripe's mock server, runs it on its own port until the test ends, and returns its URL.
func startMock(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stripe-mock")
	build := exec.Command("go", "build", "-o", program, "github.com/stripe/stripe-mock")
	build.Dir = "testdata/mock"
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	ctx, stop := context.WithCancel(context.Background())
	mock := exec.CommandContext(ctx, program, "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0")
	out, err := mock.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, mock.Start())
	lines := bufio.NewScanner(out)
	drained := make(chan struct{})
	t.Cleanup(func() {
		stop()
		<-drained
		_ = mock.Wait() // it was killed
	})
	address := regexp.MustCompile(`HTTP at address: (\S+)`)
	for lines.Scan() {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, out)
			}()
			return "http://" + found[1]
		}
	}
	close(drained)
	t.Fatal("the mock server did not say where it listens")
	panic("unreachable")
}

// vendor is Stripe's mock server.
type vendor struct {
	t    *testing.T
	url  string
	mu   sync.Mutex
	seen []string
}

var objects = regexp.MustCompile(`/(pi|re)_\w+`)

// check sends a request to the mock server and compares the answers.
func (v *vendor) check(r *http.Request, body []byte, status int, answered []byte) {
	what := r.Method + " " + objects.ReplaceAllString(r.URL.Path, "/{id}")
	theirs, answer := v.ask(v.t, r.Method, r.URL.RequestURI(), r.Header, body)
	assert.Equal(v.t, http.StatusOK, theirs, "%s %s: %s", what, body, answer)
	if r.Method == http.MethodPost {
		assert.NotEmpty(v.t, r.Header.Get("Idempotency-Key"), what)
	}
	if status == http.StatusOK {
		var mine, vendors map[string]any
		assert.NoError(v.t, json.Unmarshal(answered, &mine))
		assert.NoError(v.t, json.Unmarshal(answer, &vendors))
		v.alike(what, mine, vendors)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Contains(v.seen, what) {
		v.seen = append(v.seen, what)
	}
}

func (v *vendor) ask(t *testing.T, method, uri string, header http.Header, body []byte) (status int, answer []byte) {
	r, err := http.NewRequest(method, v.url+uri, bytes.NewReader(body))
	if !assert.NoError(t, err) {
		return 0, nil
	}
	r.Header = header.Clone()
	r.Header.Set("Authorization", "Bearer sk_test_123") // it refuses other keys
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if !assert.NoError(t, err) {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode, answer
}

// alike compares our object with the vendor's: each member must exist and have the same type.
func (v *vendor) alike(what string, mine, vendors map[string]any) {
	for name, value := range mine {
		other, ok := vendors[name]
		if !assert.True(v.t, ok, "%s: there is no %s at Stripe", what, name) || value == nil || other == nil {
			continue
		}
		assert.Equal(v.t, fmt.Sprintf("%T", other), fmt.Sprintf("%T", value), "%s: %s", what, name)
		ours, _ := value.([]any)
		theirs, _ := other.([]any)
		if name != "data" || len(ours) == 0 || len(theirs) == 0 {
			continue
		}
		one, _ := ours[0].(map[string]any)
		example, _ := theirs[0].(map[string]any)
		v.alike(what, one, example)
	}
}
