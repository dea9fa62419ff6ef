package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"shopping-cart/client"
	"shopping-cart/platform/money"
)

// api answers as the server does, for one cart with one product.
func api() *httptest.Server {
	mux, orders := http.NewServeMux(), map[string]string{}
	reply := func(w http.ResponseWriter, status int, body map[string]any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	mux.HandleFunc("POST /v1/sessions", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusCreated, map[string]any{"token": "a.b.c", "customer_id": "c1"})
	})
	mux.HandleFunc("POST /v1/carts", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusCreated, map[string]any{"id": "k1"})
	})
	mux.HandleFunc("POST /v1/carts/k1/items", func(w http.ResponseWriter, r *http.Request) {
		var line struct{ SKU string }
		_ = json.NewDecoder(r.Body).Decode(&line)
		if line.SKU != "MUG-BLUE" {
			reply(w, http.StatusNotFound, map[string]any{"code": "unknown_product", "detail": "There is no product with this SKU."})
			return
		}
		w.Header().Set("ETag", `"2"`)
		reply(w, http.StatusOK, map[string]any{"id": "k1", "total": money.Of(2500, "GBP")})
	})
	mux.HandleFunc("POST /v1/carts/k1/checkout", func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if orders[key] == "" {
			orders[key] = fmt.Sprintf("o%d", len(orders)+1)
		}
		reply(w, http.StatusCreated, map[string]any{"order_id": orders[key], "status": "completed"})
	})
	return httptest.NewServer(mux)
}

// A guest needs a session. Its token belongs to every later request.
func ExampleAsk() {
	server := api()
	defer server.Close()
	type session struct {
		Token      string
		CustomerID string `json:"customer_id"`
	}
	guest, _, err := client.Ask[session](context.Background(), client.New(server.URL, 1), client.Call{
		Method: http.MethodPost, Path: "/v1/sessions", Key: "session-1",
	})
	fmt.Println(guest.CustomerID, guest.Token, err)
	// Output: c1 a.b.c <nil>
}

// A cart is opened, filled and checked out. IfMatch names the version that the shopper saw. The second request has the key of the
// first one, so it returns the same order.
func ExampleClient_Do() {
	server := api()
	defer server.Close()
	c, ctx := client.New(server.URL, 1), context.Background()
	post := func(key, path string, body any) client.Call {
		return client.Call{Method: http.MethodPost, Path: path, Token: "a.b.c", Key: key, Body: body}
	}
	cart, _, err := client.Ask[struct{ ID string }](ctx, c, post("cart-1", "/v1/carts", map[string]string{"currency": "GBP"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	filled, err := c.Do(ctx, post("line-1", "/v1/carts/"+cart.ID+"/items", map[string]any{"sku": "MUG-BLUE", "quantity": 2}))
	if err != nil {
		fmt.Println(err)
		return
	}
	checkout := post("checkout-1", "/v1/carts/"+cart.ID+"/checkout", map[string]string{"payment_method": "sim_ok", "email": "ada@example.com"})
	checkout.IfMatch, checkout.Wait = filled.ETag, true
	for range 2 {
		type done struct {
			OrderID string `json:"order_id"`
			Status  string
		}
		bought, _, err := client.Ask[done](ctx, c, checkout)
		fmt.Println(bought.OrderID, bought.Status, err)
	}
	// Output:
	// o1 completed <nil>
	// o1 completed <nil>
}

// An error response has a code for programs and a sentence for people.
func ExampleRefusal() {
	server := api()
	defer server.Close()
	_, err := client.New(server.URL, 1).Do(context.Background(), client.Call{
		Method: http.MethodPost, Path: "/v1/carts/k1/items", Token: "a.b.c", Key: "line-1", Body: map[string]any{"sku": "MUG-GOLD", "quantity": 1},
	})
	var refusal *client.Refusal
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code)
		fmt.Println(refusal.Detail)
	}
	// Output:
	// 404 unknown_product
	// There is no product with this SKU.
}
