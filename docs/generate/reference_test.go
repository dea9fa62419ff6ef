package main

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

func containsAll(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		require.Contains(t, page, line)
	}
}

func TestErrorsPage(t *testing.T) {
	t.Parallel()
	page := errorsPage(sample(t), []*fault.Fault{
		{Code: "cart_closed", Detail: "This cart is <closed>."}, {Code: "cart_closed", Detail: "It is shut."}, {Code: "cart_closed", Detail: "It is shut."},
		{Code: "busy", Detail: "Too much."}, {Code: "cart_gone", Detail: "It is gone."},
	})
	containsAll(t, page, "## 409 Conflict\n", "| `cart_closed` | It is shut.<br>This cart is &lt;closed>. | `POST /v1/carts/{id}/items` |\n",
		"## 503 Service Unavailable\n", "| `busy` | Too much. | *any* |\n", "## Of no operation\n", "| `cart_gone` | It is gone. |\n")
}

func TestSettingsPage(t *testing.T) {
	t.Parallel()
	type settings struct {
		Wait time.Duration `env:"WAIT" envDefault:"3s"`
		A    string        `env:"A_URL"`
		B    []string      `env:"B_URLS"`
	}
	const explained = "# ── HTTP ───\n\n# How long,\n# such as <time>.\n#WAIT=3s\n\n# ── Where ───\n\n# One of two.\n#A_URL=\n"
	page, err := settingsPage(&settings{}, explained+"#B_URLS=\n")
	require.NoError(t, err)
	containsAll(t, page, "## HTTP\n", "| `WAIT` | `3s` | duration | How long, such as &lt;time>. |\n",
		"## Where\n", "| `A_URL` | | text | One of two. |\n| `B_URLS` | | list | One of two. |\n")
	for text, wrong := range map[string]string{
		explained:                       "does not explain B_URLS",
		explained + "#B_URLS=x":         "has B_URLS=x",
		explained + "#B_URLS=\n#OTHER=": "has OTHER=",
	} {
		_, err := settingsPage(&settings{}, text)
		require.ErrorContains(t, err, wrong)
	}
}

func TestMetricsPage(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shopping_cart_commands_total", Help: "Commands."}, []string{"store", "outcome"})
	registry.MustRegister(commands, prometheus.NewGauge(prometheus.GaugeOpts{Name: "shopping_cart_open", Help: "Open ones."}))
	_, err := metricsPage(registry)
	require.ErrorContains(t, err, "shopping_cart_commands_total has no sample")
	commands.WithLabelValues("", "")
	page, err := metricsPage(registry)
	require.NoError(t, err)
	containsAll(t, page, "| `shopping_cart_commands_total` | counter | `outcome`, `store` | Commands. |\n", "| `shopping_cart_open` | gauge | | Open ones. |\n")
}

// The types of testdata/events/docs/generate.
type (
	Opened struct {
		CartID uuid.UUID    `json:"cart_id"`
		Total  money.Amount `json:"total"`
		Parts  []Part       `json:"parts,omitempty"`
		Status Status       `json:"status"`
	}
	Status string
	Part   struct {
		Name string `json:"name"`
	}
	added   struct{ Part }
	unknown struct{}
	bad     struct{ Of map[string]int }
)

func TestEventsPage(t *testing.T) {
	t.Parallel()
	page := func(events map[string]reflect.Type) (string, error) {
		return eventsPage(filepath.Join("testdata", "events"), events)
	}
	text, err := page(map[string]reflect.Type{"cart.opened": reflect.TypeFor[Opened](), "cart.added": reflect.TypeFor[added]()})
	require.NoError(t, err)
	containsAll(t, text, "### `cart.opened`\n\nA cart is there.\n\nVersions: [1](../../docs/generate/testdata/events/cart.opened.v1.json), [2]",
		"| `cart_id` | id (UUID) | |\n", "| `total` | money `{amount, currency}` | |\n",
		"| `parts` | list of [Part](#generate-part) *?* | what is in it |\n", "| `status` | `open`, `merged` | |\n",
		"### `cart.added`\n\nA piece came.\n\nVersions: [1](../../docs/generate/testdata/events/cart.added.v1.json)\n\n| Field | Type | |\n|---|---|---|\n| `name` | text | |\n",
		"### generate `Part`\n\nA piece.\n")

	_, err = page(map[string]reflect.Type{"cart.unknown": reflect.TypeFor[unknown]()})
	require.ErrorContains(t, err, "no golden file of cart.unknown")
	_, err = page(map[string]reflect.Type{"cart.added": reflect.TypeFor[bad]()})
	for _, wrong := range []string{"main.bad has no comment", "main.bad.Of has no name", "the JSON of map[string]int is unknown"} {
		require.ErrorContains(t, err, wrong)
	}
}
