package main

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const settingsHead = `# Settings

From the environment, or from a file ` + "`.env`" + ` in the working directory (copy [.env.example](../../.env.example)); the environment wins. What is unset or
empty has its default. All are checked at start, and every bad one is refused by its name. Durations are written as ` + "`500ms`, `3s`, `15m`, `1h` or `720h`" + `.

Each line of the file is ` + "`NAME=value`" + `. A ` + "`$`" + ` stands for itself: no variable is expanded. A value without quotes ends at a ` + "`#`" + ` behind a space; in single
quotes every character stands for itself; in double quotes a backslash escapes the next one. Spaces, line breaks and byte order marks at the ends of a
setting are removed. Control characters and invisible ones are refused (the names of folders may hold invisible ones).
`

// setting is one of .env.example: what stands above it there.
type setting struct{ name, value, section, meaning string }

// settings is the page of the settings: names, kinds and defaults are those of config.Config, the words those of .env.example.
func settings(root string) (string, error) {
	config, err := read(root, filepath.Join("platform", "config"))
	if err != nil {
		return "", err
	}
	declared, err := declaredSettings(config)
	if err != nil {
		return "", err
	}
	explained, err := explainedSettings(filepath.Join(root, ".env.example"))
	if err != nil {
		return "", err
	}
	out, section, rows := settingsHead, "", (*table)(nil)
	end := func() {
		if rows != nil {
			out += "\n## " + section + "\n\n" + rows.String()
		}
	}
	for _, s := range explained {
		field := declared[s.name]
		if field == nil || tag(field, "envDefault") != s.value {
			return "", fmt.Errorf(".env.example has %s=%s, and config.Config has not", s.name, s.value)
		}
		delete(declared, s.name)
		if s.section != section || rows == nil {
			end()
			section, rows = s.section, newTable("Setting", "Default", "Kind", "")
		}
		rows.row(coded(s.name), coded(s.value), kindOf(field.Type), escaped(s.meaning))
	}
	end()
	for name := range declared {
		return "", fmt.Errorf(".env.example does not explain %s", name)
	}
	return out, nil
}

func declaredSettings(config *folder) (map[string]*ast.Field, error) {
	fields, err := config.structOf("Config")
	if err != nil {
		return nil, err
	}
	all := map[string]*ast.Field{}
	for _, f := range fields.Fields.List {
		all[tag(f, "env")] = f
	}
	return all, nil
}

var (
	aSection = regexp.MustCompile(`^# ── (.*?) ─+$`)
	aSetting = regexp.MustCompile(`^#([A-Z][A-Z_]*)=(.*)$`)
)

// explainedSettings reads the file: sections, a paragraph of comment, and the settings that it is about.
func explainedSettings(path string) (all []setting, err error) {
	text, err := os.ReadFile(path) // inside the module
	if err != nil {
		return nil, err
	}
	section, meaning, about := "", "", false
	for line := range strings.Lines(string(text)) {
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
	return all, nil
}

// kindOf says what a value is.
func kindOf(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.ArrayType:
		return "list"
	case *ast.SelectorExpr:
		return strings.ToLower(t.Sel.Name)
	case *ast.Ident:
		return map[string]string{"string": "text", "bool": "`true` or `false`", "int": "number", "int32": "number"}[t.Name]
	}
	return ""
}
