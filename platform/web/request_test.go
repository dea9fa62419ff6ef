package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

type wish struct {
	Quantity *int64 `json:"quantity" validate:"required,min=1"`
}

// shows answers with what Read returns.
func shows[T any](needs web.Needs, checks ...func(web.Request[T]) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := web.Read(c, needs, checks...)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]any{"id": r.ID, "sku": r.SKU, "body": r.Body, "caller": r.Caller.Subject, "wait": r.Wait.Seconds()})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine := uuid.New()
	hidden := func(id uuid.UUID) error {
		if id != mine {
			return fault.New(fault.NotFound, "hidden", "There is no such thing.")
		}
		return nil
	}
	even := func(r web.Request[wish]) error {
		if *r.Body.Quantity%2 == 1 {
			return web.Refused("quantity", "odd", "It must be even.")
		}
		return nil
	}
	needs := web.Needs{Key: true, Version: true, Wait: true, Visible: hidden}
	s.Customer.POST("/first/:id/:sku", shows(needs, even))
	needs.VisibleLast = true
	s.Customer.POST("/last/:id/:sku", shows(needs, even))
	s.Customer.POST("/named/:id", shows[struct{}](web.Needs{Named: true}))
	s.Customer.POST("/optional", shows[wish](web.Needs{Optional: true}))
	s.Customer.POST("/any", shows[any](web.Needs{}))

	t.Run("RefusesInOrder", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{"/first/", "/last/"} {
			things, key := kind+mine.String()+"/mug", []string{"Idempotency-Key", "k"}
			send := func(path, body string, headers ...[]string) answer {
				all := as("ann")
				for _, h := range headers {
					all = append(all, h...)
				}
				return s.send("POST", path, body, all...)
			}
			s.send("POST", kind+"7/%00", "{").refused(t, 401, "unauthorized")
			send(kind+"7/%00", "{").refused(t, 404, "not_found")
			send(kind+uuid.NewString()+"/%00", "{").refused(t, 404, "hidden")
			send(kind+uuid.Nil.String()+"/mug", "{").refused(t, 404, "hidden")
			send(kind+mine.String()+"/%00", "{").refused(t, 422, "validation_failed")
			send(things, "{").refused(t, 400, "malformed_json")
			require.Equal(t, "quantity", field(send(things, `{"quantity":0}`).refused(t, 422, "validation_failed")))
			require.Equal(t, "quantity", field(send(things, `{"quantity":3}`).refused(t, 422, "validation_failed")))
			send(things, `{"quantity":2}`).refused(t, 400, "idempotency_key_required")
			send(things, `{"quantity":2}`, key).refused(t, 428, "precondition_required")
			a := send(things, `{"quantity":2}`, key, []string{"If-Match", `"7"`, "Prefer", "wait=5"})
			require.JSONEq(t, `{"id":"`+mine.String()+`","sku":"mug","body":{"quantity":2},"caller":"ann","wait":5}`, a.body)
			require.Equal(t, "wait=5", a.Header.Get("Preference-Applied"))
		}
	})
	t.Run("ANameIsNoID", func(t *testing.T) {
		t.Parallel()
		require.Contains(t, s.send("POST", "/named/ada", "", as("ann")...).body, uuid.Nil.String())
	})
	t.Run("TheBodyIsWhatItsTypeSays", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{"", "{}"} {
			require.Equal(t, http.StatusOK, s.send("POST", "/named/ada", body, as("ann")...).StatusCode)
		}
		s.send("POST", "/named/ada", `{"quantity":2}`, as("ann")...).refused(t, 422, "unknown_field")
		require.Contains(t, s.send("POST", "/optional", "", as("ann")...).body, `{"quantity":null}`)
		s.send("POST", "/optional", "{}", as("ann")...).refused(t, 422, "validation_failed")
		require.Equal(t, http.StatusOK, s.send("POST", "/any", "{", as("ann")...).StatusCode)
		s.send("POST", "/any", strings.Repeat("x", 1<<17), as("ann")...).refused(t, 413, "body_too_large")
	})
}
