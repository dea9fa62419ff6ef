package config

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FillSecrets sets the missing secrets. AUTH_SECRET and ADMIN_SECRET come from files in the data directory, created when missing;
// parse allows this only with an embedded database. SIMULATOR_SECRET, and with a named database ADMIN_SECRET, are derived from AUTH_SECRET,
// so that all replicas agree on them.
func (c *Config) FillSecrets() error {
	c.deriveAdminSecret()
	if c.Embedded() || c.AuthSecret == "" {
		if err := checkPrivate("DATA_DIR", c.DataDir, dataDirOpen, "chmod go-rw"); err != nil {
			return err
		}
	}
	for _, g := range c.generated() {
		if *g.secret != "" {
			continue
		}
		found, err := Secret(c.DataDir, g.file)
		if err != nil {
			return err
		}
		*g.secret = found
	}
	if c.SimulatorSecret == "" {
		c.SimulatorSecret = c.derived("webhooks of the simulator")
	}
	return nil
}

// AddressKey returns the key of the hashes of clients' addresses in events. It changes with AUTH_SECRET.
func (c Config) AddressKey() string { return c.derived("addresses of clients") }

// operatorsTokens is the purpose of a derived ADMIN_SECRET.
const operatorsTokens = "tokens of operators"

func (c *Config) deriveAdminSecret() {
	if c.AdminSecret == "" && c.AuthSecret != "" && len(c.AdminIssuers) == 0 && c.external() {
		c.AdminSecret = c.derived(operatorsTokens)
	}
}

// derived returns the secret for a purpose that AUTH_SECRET gives.
func (c *Config) derived(purpose string) string {
	mac := hmac.New(sha256.New, []byte(c.AuthSecret))
	mac.Write([]byte(purpose))
	return hex.EncodeToString(mac.Sum(nil))
}

// The files in the data directory with the generated AUTH_SECRET and ADMIN_SECRET.
const (
	authSecretFile  = "auth_secret"
	adminSecretFile = "admin_secret"
)

// generatedSecret is a secret that is generated when no setting names it.
type generatedSecret struct {
	file   string
	secret *string
}

func (c *Config) generated() []generatedSecret {
	generated := []generatedSecret{{authSecretFile, &c.AuthSecret}}
	if !c.external() {
		generated = append(generated, generatedSecret{adminSecretFile, &c.AdminSecret})
	}
	return generated
}

// The permissions that other users must not have. To enter the data directory lets them read nothing: under root, the user of
// PostgreSQL must enter it.
const (
	dataDirOpen fs.FileMode = 0o066
	secretOpen  fs.FileMode = 0o077
)

const unusableFolder = "DATA_DIR must be a folder that the program may write to: %w"

// FindSecrets sets the missing secrets for a client of the server. Unlike FillSecrets it creates none, since no server would know
// it.
func (c *Config) FindSecrets() error {
	c.deriveAdminSecret()
	for _, g := range c.generated() {
		path := filepath.Join(c.DataDir, g.file)
		if _, err := os.Stat(path); *g.secret == "" && errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no secret to sign with: no server has run with this DATA_DIR (there is no file %s). "+
				"Run the command in the server's folder with the server's settings, or set AUTH_SECRET and ADMIN_SECRET to the server's secrets", path)
		}
	}
	return c.FillSecrets()
}

// Secret returns the secret of that name in dir. It creates a missing one: 64 hexadecimal digits, readable by the owner only.
// Processes that call it at the same time get the same secret.
func Secret(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	if err := checkPrivate(strings.ToUpper(name), path, secretOpen, "chmod 600"); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(dir, path); err != nil {
			return "", fmt.Errorf(unusableFolder, err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf(unusableFolder, err)
	}
	secret := trim(string(text))
	if flaw := textFlaw(secret, true); flaw != "" {
		return "", fmt.Errorf("the secret in %s %s", path, flaw)
	}
	if flaw := weakness(secret); flaw != "" {
		return "", fmt.Errorf("the secret in %s %s; or delete the file, and the program generates one", path, flaw)
	}
	return secret, nil
}

// makeSecret writes the secret to a temporary file and links it to its path when complete. A link, unlike a rename, does not
// replace a secret that another process has created meanwhile.
func makeSecret(dir, path string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	secret := make([]byte, shortestSecret)
	rand.Read(secret) // never fails
	_, err = fmt.Fprintln(f, hex.EncodeToString(secret))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
