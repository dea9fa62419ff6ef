package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// folder is the Go code of a package, without its tests.
type folder struct {
	name  string // of the package
	dir   string // from the root of the module
	files []*ast.File
	texts map[string]string // constants and variables that are one string
	types map[string]*ast.TypeSpec
	docs  map[string]string // of the types
}

// read parses a folder of the module at root.
func read(root, dir string) (*folder, error) {
	f := &folder{dir: filepath.ToSlash(dir), texts: map[string]string{}, types: map[string]*ast.TypeSpec{}, docs: map[string]string{}}
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		f.name, f.files = file.Name.Name, append(f.files, file)
		for _, d := range file.Decls {
			f.declare(d)
		}
	}
	return f, nil
}

func (f *folder) declare(d ast.Decl) {
	general, is := d.(*ast.GenDecl)
	if !is {
		return
	}
	for _, s := range general.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			f.types[s.Name.Name], f.docs[s.Name.Name] = s, sentences(s.Doc)
			if s.Doc == nil {
				f.docs[s.Name.Name] = sentences(general.Doc)
			}
		case *ast.ValueSpec:
			for i, name := range s.Names {
				if i < len(s.Values) {
					if text, is := f.text(s.Values[i]); is {
						f.texts[name.Name] = text
					}
				}
			}
		case *ast.ImportSpec:
		}
	}
}

// text is the string that an expression stands for.
func (f *folder) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, is := f.texts[e.Name]
		return text, is
	case *ast.BinaryExpr:
		left, is := f.text(e.X)
		right, too := f.text(e.Y)
		return left + right, is && too
	}
	return "", false
}

// sentences are the words of a comment, on one line.
func sentences(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// called is what a call calls: "fault.New", "histograms".
func called(e *ast.CallExpr) string {
	switch fun := e.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if x, is := fun.X.(*ast.Ident); is {
			return x.Name + "." + fun.Sel.Name
		}
	}
	return ""
}

// calls visits every call of the package.
func (f *folder) calls(visit func(*ast.CallExpr)) {
	for _, file := range f.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if c, is := n.(*ast.CallExpr); is {
				visit(c)
			}
			return true
		})
	}
}

// tag is what the tag of a field says under a key.
func tag(f *ast.Field, key string) string {
	if f.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(text).Get(key)
}

// packages are the folders of the module that hold code of the program, by their path from the root.
func packages(root string) (dirs []string, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if name := e.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "docs" || name == "data") {
			return fs.SkipDir
		}
		if found, _ := filepath.Glob(filepath.Join(path, "*.go")); len(found) > 0 {
			dirs = append(dirs, rel)
		}
		return nil
	})
	return dirs, err
}

// structOf is a type of the package that is a struct.
func (f *folder) structOf(name string) (*ast.StructType, error) {
	spec := f.types[name]
	if spec == nil {
		return nil, fmt.Errorf("%s: there is no type %s", f.dir, name)
	}
	s, is := spec.Type.(*ast.StructType)
	if !is {
		return nil, fmt.Errorf("%s: %s is no struct", f.dir, name)
	}
	return s, nil
}

// values are the constants and variables of the folder that are declared with one value each.
func (f *folder) values() iter.Seq[*ast.ValueSpec] {
	return func(yield func(*ast.ValueSpec) bool) {
		for _, file := range f.files {
			for _, d := range file.Decls {
				general, is := d.(*ast.GenDecl)
				if !is {
					continue
				}
				for _, s := range general.Specs {
					if v, is := s.(*ast.ValueSpec); is && len(v.Values) == 1 && !yield(v) {
						return
					}
				}
			}
		}
	}
}
