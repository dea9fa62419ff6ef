// Command words measures the language of the project: how many sentences hold a clause with what, who, which or whoever, and how
// many comments of functions begin with "X is" or "X are".
//
//	go run ./.ci/words                     the shares, and the files with the most such sentences
//	go run ./.ci/words -draw 60 -seed 7    60 sentences at random, from comments, messages and documents, for a reader
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	clause   = regexp.MustCompile(`[ ,(](what|who|which|whoever)\b`)
	sentence = regexp.MustCompile(`[.:;?!]\s+`)
	opening  = regexp.MustCompile(`^\w+ (is|are) `)
	code     = regexp.MustCompile("(?s)```.*?```|<!--.*?-->|`[^`]*`")
)

// found is one sentence, and the place of it.
type found struct{ place, text string }

type count struct {
	comments, texts  []found // sentences of comments; of messages and documents
	functions, heads int     // comments of functions; those that begin with "X is" or "X are"
}

func main() {
	draw := flag.Int("draw", 0, "print this many sentences at random")
	seed := flag.Uint64("seed", 1, "of the draw")
	tests := flag.Bool("tests", false, "read tests too")
	flag.Parse()
	var c count
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "data" || path != "." && path != ".ci" && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md") && !strings.HasPrefix(path, filepath.Join("docs", "reference")):
			return c.document(path)
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".gen.go") && (*tests || !strings.HasSuffix(path, "_test.go")):
			return c.source(path)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	if *draw > 0 {
		all := slices.Concat(c.comments, c.texts)
		luck := rand.New(rand.NewPCG(*seed, 0))
		for range min(*draw, len(all)) {
			one := all[luck.IntN(len(all))]
			fmt.Printf("%s: %s\n", one.place, one.text)
		}
		return
	}
	c.report("sentences of comments", c.comments)
	c.report("sentences of messages and documents", c.texts)
	fmt.Printf("%d of %d comments of functions (%.1f %%) begin with \"X is\" or \"X are\"\n", c.heads, c.functions, percent(c.heads, c.functions))
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// report prints how many sentences hold such a clause, and the ten files that hold the most.
func (c *count) report(what string, all []found) {
	files, n := map[string]int{}, 0
	for _, one := range all {
		if clause.MatchString(one.text) {
			n++
			file, _, _ := strings.Cut(one.place, ":")
			files[file]++
		}
	}
	fmt.Printf("%d of %d %s (%.1f %%) hold what, who, which or whoever\n", n, len(all), what, percent(n, len(all)))
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(files[b]-files[a], strings.Compare(a, b)) })
	for _, name := range names[:min(10, len(names))] {
		fmt.Printf("    %3d  %s\n", files[name], name)
	}
}

// source reads the comments of a Go file, and its string literals of four words and more.
func (c *count) source(path string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil || ast.IsGenerated(file) {
		return err
	}
	for _, group := range file.Comments {
		c.comments = append(c.comments, sentences(fmt.Sprintf("%s:%d", path, files.Position(group.Pos()).Line), prose(group.Text()))...)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Doc != nil {
				c.functions++
				if opening.MatchString(n.Doc.Text()) {
					c.heads++
				}
			}
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && !strings.Contains(text, "\n") && len(strings.Fields(text)) > 3 {
				c.texts = append(c.texts, sentences(fmt.Sprintf("%s:%d", path, files.Position(n.Pos()).Line), text)...)
			}
		}
		return true
	})
	return nil
}

// prose removes the indented lines of a comment. They are examples.
func prose(comment string) string {
	lines := strings.Split(comment, "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  ") })
	return strings.Join(lines, " ")
}

func (c *count) document(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, part := range regexp.MustCompile(`\n\s*\n|\n[-*#|] ?|\|`).Split(code.ReplaceAllString(string(text), "X"), -1) {
		c.texts = append(c.texts, sentences(path, strings.Join(strings.Fields(part), " "))...)
	}
	return nil
}

func sentences(place, text string) (all []found) {
	for _, one := range sentence.Split(strings.TrimSpace(text), -1) {
		if len(strings.Fields(one)) > 2 {
			all = append(all, found{place, one})
		}
	}
	return all
}
