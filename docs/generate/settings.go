package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/caarlos0/env/v10"
)

const settingsHead = `# Settings

Settings come from the environment, or from a file ` + "`.env`" + ` in the working directory (copy [.env.example](../../.env.example)). The environment wins. An unset or
empty setting has its default. All settings are checked at start; an error names each bad one. Durations are written as ` + "`500ms`, `3s`, `15m`, `1h` or `720h`" + `.

Each line of the file is ` + "`NAME=value`" + `. A ` + "`$`" + ` stands for itself: no variable is expanded. An unquoted value ends at a ` + "`#`" + ` that follows a space; in single
quotes every character stands for itself; in double quotes a backslash escapes the next one. Spaces, line breaks and byte order marks at the ends of a
setting are removed. Control characters and invisible ones are refused (paths may hold invisible ones).

Each secret and each database URL may stand in a file instead: ` + "`AUTH_SECRET_FILE=/run/secrets/auth_secret`" + `. Setting both is an error.
`

// setting is an entry of .env.example.
type setting struct{ name, value, section, meaning string }

// settingsPage lists the settings. The configuration, a pointer to a struct, gives names, kinds and defaults; the text of .env.example
// gives sections and meanings.
func settingsPage(configuration any, example string) (string, error) {
	declared, err := env.GetFieldParams(configuration)
	if err != nil {
		return "", err
	}
	defaults, kinds := map[string]string{}, map[string]string{}
	for i, p := range declared {
		defaults[p.Key], kinds[p.Key] = p.DefaultValue, kindOf(reflect.TypeOf(configuration).Elem().Field(i).Type)
	}
	out, section := settingsHead, ""
	for _, s := range explainedSettings(example) {
		if value, is := defaults[s.name]; !is || value != s.value {
			return "", fmt.Errorf(".env.example has %s=%s, and config.Config has not", s.name, s.value)
		}
		if s.section != section {
			section = s.section
			out += "\n## " + section + "\n\n" + tableHead("Setting", "Default", "Kind", "")
		}
		out += tableRow(coded(s.name), coded(s.value), kinds[s.name], escaped(s.meaning))
		delete(defaults, s.name)
	}
	for name := range defaults {
		return "", fmt.Errorf(".env.example does not explain %s", name)
	}
	return out, nil
}

var (
	aSection = regexp.MustCompile(`^# ── (.*?) ─+$`)
	aSetting = regexp.MustCompile(`^#([A-Z][A-Z_]*)=(.*)$`)
)

// explainedSettings reads .env.example: sections, and paragraphs of comments that explain the settings below them.
func explainedSettings(text string) (all []setting) {
	section, meaning, about := "", "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := aSection.FindStringSubmatch(line); m != nil {
			section, meaning = m[1], ""
		} else if m := aSetting.FindStringSubmatch(line); m != nil {
			all, about = append(all, setting{m[1], m[2], section, meaning}), true
		} else if said, is := strings.CutPrefix(line, "# "); is {
			if about {
				meaning, about = "", false
			}
			meaning = strings.TrimSpace(meaning + " " + said)
		} else {
			meaning, about = "", false
		}
	}
	return all
}

// kindOf names the values of a setting's type.
func kindOf(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list"
	case t.PkgPath() != "":
		return strings.ToLower(t.Name())
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "`true` or `false`"
	}
	return "number"
}
