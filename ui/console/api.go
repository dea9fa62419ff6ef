package console

import (
	"context"
	"net/http"
	"net/url"

	"shopping-cart/client"
)

// page is a page of a list of the API.
type page[T any] struct {
	Data        []T
	NextCursor  *string  `json:"next_cursor"`
	Unavailable []string // modules whose entries are missing
}

// get reads a T from the API with the operator's token.
func get[T any](v *visit, path string, query url.Values) (T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(v.request.Context(), v.readTimeout())
	defer cancel()
	found, _, err := client.Ask[T](ctx, v.console.api, client.Call{Method: http.MethodGet, Path: path, Token: v.token})
	return found, err
}
