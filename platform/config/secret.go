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
)

// FillSecrets gives the secrets that are not set. AUTH_SECRET comes from a file in the data directory, which is made
// when it is missing; parse has seen to it that this happens only when embedded. SIMULATOR_SECRET follows from
// AUTH_SECRET, so that all replicas agree on it.
func (c *Config) FillSecrets() (err error) {
	if c.AuthSecret == "" {
		if c.AuthSecret, err = Secret(c.DataDir, authSecretFile); err != nil {
			return err
		}
	}
	if c.SimulatorSecret == "" {
		mac := hmac.New(sha256.New, []byte(c.AuthSecret))
		mac.Write([]byte("webhooks of the simulator"))
		c.SimulatorSecret = hex.EncodeToString(mac.Sum(nil))
	}
	return nil
}

// authSecretFile is the file in the data directory that holds the generated AUTH_SECRET.
const authSecretFile = "auth_secret"

const unusableFolder = "DATA_DIR must be a folder that the program may write to: %w"

// FindSecrets is FillSecrets for a client of the server: it makes no secret, since no server would know it.
func (c *Config) FindSecrets() error {
	path := filepath.Join(c.DataDir, authSecretFile)
	if _, err := os.Stat(path); c.AuthSecret == "" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no secret to sign with: no server has run with this DATA_DIR (there is no file %s). "+
			"Run the command in the folder and with the settings of the server, or set AUTH_SECRET to its secret", path)
	}
	return c.FillSecrets()
}

// Secret reads the secret of that name in dir, and makes it (64 hexadecimal digits, readable by its owner only) when
// there is none. Processes that ask at the same time get the same.
func Secret(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
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
	if len(secret) < shortestSecret {
		return "", fmt.Errorf("the secret in %s has fewer than %d bytes: remove the file, and a new one is made", path, shortestSecret)
	}
	return secret, nil
}

// makeSecret writes the secret beside its place and links it there once it is whole. A link, unlike a rename, leaves
// alone what another process has put there in the meantime.
func makeSecret(dir, path string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
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
