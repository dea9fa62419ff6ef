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

// readEnvFile reads a file of settings. A missing file has none. An error names the line but does not quote it, since the line
// may hold a secret.
func readEnvFile(name string) (map[string]string, error) {
	settings := map[string]string{}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return settings, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the file %s: %w", name, err)
	}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark)) // written by Windows editors
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

// parseLine reads NAME=value. It expands no variables: a $ stays a $. A value without quotes ends before a # that follows a
// space. In single quotes every character stands for itself; in double quotes a backslash escapes the next one. The error does
// not quote the line.
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
		return "", "", errors.New("there is text after the closing quote")
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

// closingQuote returns the index of the quote that closes the first one, or 0 without one. In double quotes a backslash escapes
// the next character.
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
