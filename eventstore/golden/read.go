package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
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

// kindsIn returns the types of events with a prefix in the code of a package: the literals that methods named Kind return.
func kindsIn(dir, prefix string) (kinds []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if kind := kindOf(d); strings.HasPrefix(kind, prefix) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds, nil
}

func kindOf(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok || f.Recv == nil || f.Name.Name != "Kind" || f.Body == nil || len(f.Body.List) != 1 {
		return ""
	}
	returned, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(returned.Results) != 1 {
		return ""
	}
	literal, ok := returned.Results[0].(*ast.BasicLit)
	if !ok {
		return ""
	}
	kind, _ := strconv.Unquote(literal.Value)
	return kind
}
