package cli

import (
	"context"
	"io"
	"net/http"

	"shopping-cart/client"
)

// logHeads is the route that exports the heads of the logs and compares exported ones.
const logHeads = "/v1/admin/log-heads"

// Heads prints the signed heads of the logs of a running server.
type Heads struct {
	BaseURL string `help:"Address of the server; from its settings when empty."`
}

// Run prints the response of the server. "verify --heads" reads it as a file.
func (h *Heads) Run(ctx context.Context, out io.Writer, local client.Local) error {
	c, token, err := operator(ctx, local, h.BaseURL, "heads")
	if err != nil {
		return err
	}
	got, err := c.Do(ctx, client.Call{Method: http.MethodGet, Path: logHeads, Token: token})
	if err != nil {
		return client.ExplainUnauthorized(c.Base, "", err)
	}
	_, err = out.Write(got.Body)
	return err
}

// operator returns a client of a running server with an operator's token.
func operator(ctx context.Context, local client.Local, baseURL, subject string) (c *client.Client, token string, err error) {
	base, err := client.BaseURL(local, baseURL)
	if err != nil {
		return nil, "", err
	}
	if err := client.CheckAlive(ctx, base); err != nil {
		return nil, "", err
	}
	token, err = local.Mint(subject, []string{client.ScopeAdmin}, client.TokenLife)
	return client.New(base, 1), token, err
}
