package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// readEnvFile reads a file of settings; one that is missing has none. An error names the line and prints nothing of it:
// what stands there may be a secret.
func readEnvFile(name string) (map[string]string, error) {
	settings := map[string]string{}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return settings, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the file %s: %w", name, err)
	}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark)) // Windows' editors write one
	if !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return nil, fmt.Errorf("%s must be a text file in UTF-8: save it in that encoding", name)
	}
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		setting, value, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, i+1, err)
		}
		settings[setting] = value
	}
	return settings, nil
}

var (
	assignment = regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*[=:](.*)$`)
	comment    = regexp.MustCompile(`\s#.*$`)
	escape     = regexp.MustCompile(`\\.`)
)

// parseLine reads NAME=value. A $ is a $: nothing is expanded. A bare value ends at a # behind a space, a value in single
// quotes is taken as it stands, and in double quotes a backslash escapes. The error holds nothing of the line.
func parseLine(line string) (setting, value string, err error) {
	parts := assignment.FindStringSubmatch(line)
	if parts == nil {
		return "", "", errors.New("it must be NAME=value, or a comment that begins with #")
	}
	setting, value = parts[1], strings.TrimSpace(parts[2])
	if value == "" || value[0] != '\'' && value[0] != '"' {
		return setting, strings.TrimSpace(comment.ReplaceAllString(parts[2], "")), nil
	}
	end := closingQuote(value)
	if end == 0 {
		return "", "", errors.New("the value begins with a quote that is not closed on this line")
	}
	if rest := strings.TrimSpace(value[end+1:]); rest != "" && rest[0] != '#' {
		return "", "", errors.New("there is text behind the closing quote")
	}
	if value[0] == '\'' {
		return setting, value[1:end], nil
	}
	return setting, escape.ReplaceAllStringFunc(value[1:end], unescape), nil
}

func unescape(pair string) string {
	switch pair[1] {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	}
	return pair[1:]
}

// closingQuote is the place of the quote that closes the one at the beginning; 0 when there is none. In double quotes a
// backslash escapes the character behind it.
func closingQuote(value string) int {
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == value[0]:
			return i
		case value[i] == '\\' && value[0] == '"':
			i++
		}
	}
	return 0
}
