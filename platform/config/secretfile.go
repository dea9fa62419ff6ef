package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// fileSuffix is the end of the name of a setting that names a file with a secret: AUTH_SECRET_FILE.
const fileSuffix = "_FILE"

// secretSettings returns the settings that may come from files: the secrets, and the URLs of databases, which hold passwords.
func secretSettings() []string {
	names := []string{"AUTH_SECRET", "AUTH_SECRET_OLD", "ADMIN_SECRET", "SIMULATOR_SECRET", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"}
	for _, d := range (&Config{}).allDatabases() {
		names = append(names, d.setting)
	}
	return names
}

// longestSecret limits the bytes read from a file.
const longestSecret = 64 << 10

// readSecretFiles replaces each NAME_FILE by NAME with the text of the file.
func readSecretFiles(settings map[string]string) error {
	var wrong findings
	for _, name := range secretSettings() {
		path := settings[name+fileSuffix]
		delete(settings, name+fileSuffix)
		if path == "" {
			continue
		}
		if settings[name] != "" {
			wrong.add(name, "and "+name+fileSuffix+" are both set: remove one of them")
			continue
		}
		text, err := readSecret(path)
		if failed := (*fs.PathError)(nil); errors.As(err, &failed) { // without the path: somebody may have put the secret there
			err = failed.Err
		}
		if err != nil {
			wrong.add(name+fileSuffix, "must name a file with a value: "+err.Error())
		}
		settings[name] = text
	}
	return errors.Join(wrong...)
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestSecret))
	if err == nil && trim(string(text)) == "" {
		err = errors.New("it is empty")
	}
	return trim(string(text)), err
}
