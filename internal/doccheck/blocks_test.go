// SPDX-License-Identifier: Apache-2.0

package doccheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// strict are the pages whose code is all compiled.
var strict = []string{"README.md", "docs/quickstart.md"}

// shortLines is how long a program may be that README shows.
const shortLines = 15

// block is a fenced block of a page.
type block struct {
	page string
	line int
	lang string
	text string
	from string // what the mark above says, "" without one
}

func (b block) complain(format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", b.page, b.line, fmt.Sprintf(format, args...))
}

func TestDocsShowWhatIsCompiled(t *testing.T) {
	repository := os.DirFS(root(t))
	for _, page := range pages(t, repository) {
		for _, b := range blocks(t, repository, page) {
			for _, complaint := range checkBlock(repository, b, slices.Contains(strict, page)) {
				t.Error(complaint)
			}
		}
	}
}

// checkBlock compares a block with where it comes from.
func checkBlock(repository fs.FS, b block, strict bool) []string {
	if b.from == "" {
		if strict && (b.lang == "go" || b.lang == "python") {
			return []string{b.complain("the %s block does not say where it comes from: <!-- from: path -->", b.lang)}
		}
		return nil
	}
	var complaints []string
	want, err := excerpt(repository, b.from)
	switch {
	case err != nil:
		complaints = append(complaints, b.complain("%v", err))
	case want != b.text:
		complaints = append(complaints, b.complain("the block differs from %s, which is\n%s", b.from, want))
	}
	if n := strings.Count(b.text, "\n"); b.page == "README.md" && b.lang == "go" && n > shortLines {
		complaints = append(complaints, b.complain("the program has %d lines, README promises at most %d", n, shortLines))
	}
	return complaints
}

// excerpt gives the text that a mark names: a Go file from its package clause on, one declaration of it, or another
// file as it is.
func excerpt(repository fs.FS, from string) (string, error) {
	name, declaration, _ := strings.Cut(from, "#")
	data, err := fs.ReadFile(repository, name)
	if err != nil {
		return "", err
	}
	text := string(data)
	switch {
	case declaration != "":
		return declared(name, text, declaration)
	case path.Ext(name) == ".go":
		_, rest, ok := strings.Cut("\n"+text, "\npackage ")
		if !ok {
			return "", fmt.Errorf("%s has no package clause", name)
		}
		return "package " + rest, nil
	}
	return text, nil
}

// declared gives a function or type with its comment.
func declared(name, text, wanted string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, d := range file.Decls {
		if doc, ok := isNamed(d, wanted); ok {
			begin := d.Pos()
			if doc != nil {
				begin = doc.Pos()
			}
			return text[fset.Position(begin).Offset:fset.Position(d.End()).Offset] + "\n", nil
		}
	}
	return "", fmt.Errorf("%s declares no %s", name, wanted)
}

// isNamed tells whether a declaration is the one of that name, and gives its comment.
func isNamed(d ast.Decl, name string) (*ast.CommentGroup, bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc, d.Recv == nil && d.Name.Name == name
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == name {
				return d.Doc, true
			}
		}
	}
	return nil, false
}

var (
	fence = regexp.MustCompile("^\\s*```(\\w*)\\s*$")
	mark  = regexp.MustCompile(`^\s*<!-- from: (\S+) -->\s*$`)
)

// blocks gives the fenced blocks of a page. A mark belongs to the block that comes next, with nothing but blank lines
// between.
func blocks(t *testing.T, repository fs.FS, page string) []block {
	t.Helper()
	data, err := fs.ReadFile(repository, page)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	from, number := "", 0
	for line := range strings.Lines(string(data)) {
		number++
		opening := fence.FindStringSubmatch(line)
		switch {
		case open != nil && opening != nil:
			all, open, from = append(all, *open), nil, ""
		case open != nil:
			open.text += line
		case opening != nil:
			open = &block{page: page, line: number, lang: opening[1], from: from}
		case mark.MatchString(line):
			from = mark.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "":
			from = ""
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block has no end", page, open.line)
	}
	return all
}

// pages are README and everything below docs.
func pages(t *testing.T, repository fs.FS) []string {
	t.Helper()
	all := []string{"README.md"}
	err := fs.WalkDir(repository, "docs", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// root finds the top of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Skip("not in the repository: ", err)
	}
	return dir
}
