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

	"github.com/joho/godotenv"
)

// readEnvFile reads a file of settings; one that is missing has none. An error names the line and prints nothing of it:
// what stands there may be a secret.
func readEnvFile(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the file %s: %w", name, err)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // the byte order mark of Windows' editors
	if !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return nil, fmt.Errorf("%s must be a text file in UTF-8: save it in that encoding", name)
	}
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		if wrong := wrongLine(line); wrong != "" {
			return nil, fmt.Errorf("%s, line %d: %s", name, i+1, wrong)
		}
	}
	settings, err := godotenv.UnmarshalBytes(text)
	if err != nil { // its text repeats the file
		return nil, fmt.Errorf("%s cannot be read: each line must be NAME=value", name)
	}
	return settings, nil
}

// assigned is the head of a line that sets something.
var assigned = regexp.MustCompile(`^(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*[=:]\s*`)

// wrongLine says what is wrong with a line of a file of settings, in words that hold nothing of it.
func wrongLine(line string) string {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return ""
	}
	head := assigned.FindString(line)
	if head == "" {
		return "it must be NAME=value, or a comment that begins with #"
	}
	value := line[len(head):]
	if value == "" || value[0] != '\'' && value[0] != '"' {
		return ""
	}
	end := closingQuote(value)
	if end == 0 {
		return "the value begins with a quote that is not closed on this line"
	}
	if rest := strings.TrimSpace(value[end+1:]); rest != "" && rest[0] != '#' {
		return "there is text behind the closing quote"
	}
	return ""
}

// closingQuote is the place of the quote that closes the one at the beginning; 0 when there is none. A backslash escapes one.
func closingQuote(value string) int {
	for i := 1; i < len(value); i++ {
		if value[i] == value[0] && value[i-1] != '\\' {
			return i
		}
	}
	return 0
}
