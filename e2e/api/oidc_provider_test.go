package api

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"shopping-cart/e2e/harness"
)

// The clients of the provider: a storefront where people sign in, and a tool of operators.
const (
	storefront = "storefront"
	tool       = "tool"
	callback   = "http://localhost:1/callback" // nothing listens there: the test reads the redirect
)

// provider is a real OpenID Connect provider with a log-in, an account of a tool, and keys that the test replaces.
type provider struct {
	*storage.Storage
	URL     string
	address string
	handler http.Handler
	server  *httptest.Server

	mu          sync.Mutex
	keys        []opKey  // published; the last one signs
	permissions []string // of the tool
	lifetime    time.Duration
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &provider{address: listener.Addr().String(), lifetime: time.Hour}
	require.NoError(t, listener.Close())
	p.URL = "http://" + p.address
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(p.URL), map[string]*storage.Client{
		storefront: storage.WebClient(storefront, "secret", callback), tool: storage.WebClient(tool, "secret", callback),
	})
	p.rotate(t, jose.RS256, false)
	made, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}, CodeMethodS256: true}, p, op.StaticIssuer(p.URL), op.WithAllowInsecure())
	require.NoError(t, err)
	routes := http.NewServeMux()
	routes.Handle("/", made)
	routes.HandleFunc("/login/username", op.NewIssuerInterceptor(made.IssuerFromRequest).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost { // a real one shows a form
			return
		}
		id := r.FormValue("authRequestID")
		if err := p.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(made)(r.Context(), id), http.StatusFound)
	}))
	p.handler = routes
	p.start(t)
	t.Cleanup(func() { p.stop() })
	return p
}

// start listens at the address of the issuer.
func (p *provider) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: p.handler, ReadHeaderTimeout: time.Second}}
	p.server.Start()
}

func (p *provider) stop() { p.server.Close() }

// rotate signs with a new key. keep also publishes the former ones.
func (p *provider) rotate(t *testing.T, algorithm jose.SignatureAlgorithm, keep bool) {
	t.Helper()
	var private crypto.Signer
	var err error
	switch algorithm {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !keep {
		p.keys = nil
	}
	p.keys = append(p.keys, opKey{uuid.NewString(), algorithm, private})
}

// opKey is a key of the provider.
type opKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

func (k opKey) ID() string                                  { return k.id }
func (k opKey) Key() any                                    { return k.private }
func (k opKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.algorithm }

// opPublicKey is its public part.
type opPublicKey struct{ opKey }

func (k opPublicKey) Key() any                           { return k.private.Public() }
func (k opPublicKey) Algorithm() jose.SignatureAlgorithm { return k.algorithm }
func (k opPublicKey) Use() string                        { return "sig" }

// The methods below answer the provider in place of its example storage.

func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[len(p.keys)-1], nil
}

func (p *provider) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}, nil
}

func (p *provider) KeySet(context.Context) (all []op.Key, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		all = append(all, opPublicKey{k})
	}
	return all, nil
}

// jwtClient is a client with access tokens that are JWTs, also for itself.
type jwtClient struct{ op.Client }

func (c jwtClient) GrantTypes() []oidc.GrantType {
	return append(c.Client.GrantTypes(), oidc.GrantTypeClientCredentials)
}

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	return jwtClient{c}, err
}

func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := p.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return p.GetClientByClientID(ctx, id)
}

func (p *provider) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{harness.Module}, Scopes: scopes}, nil
}

func (p *provider) CreateAccessToken(context.Context, op.TokenRequest) (id string, expires time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return uuid.NewString(), time.Now().Add(p.lifetime), nil
}

func (p *provider) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]any{"permissions": p.permissions}, nil
}

// grant lets the tool have permissions for a time.
func (p *provider) grant(lifetime time.Duration, permissions ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lifetime, p.permissions = lifetime, permissions
}

// signIn signs a customer in with a password, by the authorization code flow, and returns the ID token.
func (p *provider) signIn(t *testing.T, name string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	defer browser.CloseIdleConnections()
	asked := url.Values{"client_id": {storefront}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"}}
	form, err := browser.Get(p.URL + "/authorize?" + asked.Encode())
	require.NoError(t, err)
	require.NoError(t, form.Body.Close())
	require.Equal(t, "/login/username", form.Request.URL.Path)
	back, err := browser.PostForm(p.URL+"/login/username", url.Values{
		"authRequestID": {form.Request.URL.Query().Get("authRequestID")}, "username": {name}, "password": {"verysecure"},
	})
	require.NoError(t, err)
	require.NoError(t, back.Body.Close())
	location, err := back.Location()
	require.NoError(t, err)
	return p.token(t, storefront, url.Values{"grant_type": {"authorization_code"}, "code": {location.Query().Get("code")}, "redirect_uri": {callback}}).ID
}

// toolToken returns an access token of the tool, by the client credentials flow.
func (p *provider) toolToken(t *testing.T) string {
	t.Helper()
	return p.token(t, tool, url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}).Access
}

type issued struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

func (p *provider) token(t *testing.T, client string, form url.Values) (tokens issued) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/oauth/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, "secret")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	require.NoError(t, json.Unmarshal(text, &tokens))
	return tokens
}
