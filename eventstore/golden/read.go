package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
)

// compare returns the JSON of a value and the content of its file. It writes the file if that is missing and allowed.
func (c *check[S, E]) compare(file string, value any) (encoded, stored []byte, err error) {
	c.expected[file] = true
	if encoded, err = json.Marshal(value); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(c.dir, file)
	stored, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.missing {
		var pretty bytes.Buffer
		if err = json.Indent(&pretty, encoded, "", "  "); err != nil {
			return nil, nil, err
		}
		pretty.WriteByte('\n')
		stored, err = pretty.Bytes(), errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, pretty.Bytes(), 0o644))
	}
	return encoded, stored, err
}

func sameJSON(a, b []byte) bool {
	x, errX := tree(a)
	y, errY := tree(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func tree(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// emptyField returns the path of the first exported field without a value. It checks only the first element of a list.
func emptyField(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice && v.Len() > 0 {
		v = v.Index(0)
	}
	if v.Kind() != reflect.Struct {
		return ""
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if v.Field(i).IsZero() {
			return field.Name
		}
		if empty := emptyField(v.Field(i)); empty != "" {
			return field.Name + "." + empty
		}
	}
	return ""
}

// unregistered returns the Go types of the package that are members of the sum type E and in no table of types.
func (c *check[S, E]) unregistered() (names []string) {
	known := map[string]bool{}
	for _, e := range c.aggregate.Types {
		known[reflect.TypeOf(e).Name()] = true
	}
	member := regexp.MustCompile(`(?m)^func \((?:\w+ )?\*?(\w+)\) ` + reflect.TypeFor[E]().Method(0).Name + `\(\)`)
	files, err := filepath.Glob(filepath.Join(c.dir, "*.go"))
	for _, file := range files {
		code, errRead := os.ReadFile(file)
		err = errors.Join(err, errRead)
		for _, found := range member.FindAllSubmatch(code, -1) {
			if name := string(found[1]); !known[name] {
				names = append(names, name)
			}
		}
	}
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	return names
}
