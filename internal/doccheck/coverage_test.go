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
	"regexp"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestReadmeNamesEveryExample(t *testing.T) {
	for _, complaint := range checkExamples(t, os.DirFS(root(t))) {
		t.Error(complaint)
	}
}

// checkExamples looks for each program of examples in README.
func checkExamples(t *testing.T, repository fs.FS) []string {
	t.Helper()
	readme, err := fs.ReadFile(repository, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := fs.Glob(repository, "examples/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var complaints []string
	for _, p := range programs {
		if !strings.Contains(string(readme), path.Dir(p)) {
			complaints = append(complaints, fmt.Sprintf("README.md does not name %s", path.Dir(p)))
		}
	}
	return complaints
}

func TestEveryFunctionHasAnExample(t *testing.T) {
	for _, complaint := range checkFacade(t, os.DirFS(root(t))) {
		t.Error(complaint)
	}
}

// checkFacade looks for each exported function of the root package in its compiled examples.
func checkFacade(t *testing.T, repository fs.FS) []string {
	t.Helper()
	files, err := fs.Glob(repository, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	var examples strings.Builder
	for _, name := range files {
		text, err := fs.ReadFile(repository, name)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(name, "example"):
			examples.Write(text)
		case !strings.HasSuffix(name, "_test.go"):
			exported = append(exported, functions(t, name, text)...)
		}
	}
	var complaints []string
	for _, f := range exported {
		if !regexp.MustCompile(`\bplexus\.` + f + `\b`).MatchString(examples.String()) {
			complaints = append(complaints, fmt.Sprintf("no example calls plexus.%s", f))
		}
	}
	return complaints
}

// functions gives the exported functions of a file.
func functions(t *testing.T, name string, text []byte) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() {
			all = append(all, f.Name.Name)
		}
	}
	return all
}
