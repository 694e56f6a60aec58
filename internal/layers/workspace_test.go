// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// project is the import path of the root; every module of the workspace is named project + "/" + its folder, so that
// the folder of a file tells its package, whatever the module.
const project = "github.com/plexus-ipc/plexus"

// source is one parsed Go file.
type source struct {
	name    string // from the root of the workspace, with slashes
	pkg     string // its folder; "." is the facade
	test    bool
	text    string
	fset    *token.FileSet
	file    *ast.File
	imports []string
}

// line tells where in the file a position is.
func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

// root finds the folder of go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.work")); err != nil {
		t.Skip("not in a workspace: ", err)
	}
	return dir
}

// workspace reads every Go file of the repository.
func workspace(t *testing.T) []*source {
	t.Helper()
	files, err := load(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// load parses the Go files below fsys, for every system and build tag. Folders that the go command ignores are left out.
func load(fsys fs.FS) ([]*source, error) {
	var files []*source
	err := walk(fsys, func(name string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		s, err := parse(fsys, name)
		files = append(files, s)
		return err
	})
	return files, err
}

// walk calls visit for each file that belongs to the project.
func walk(fsys fs.FS, visit func(name string) error) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && ignored(name, d.Name()):
			return fs.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		return visit(name)
	})
}

// ignored follows the go command: hidden folders, testdata and foreign trees are not ours.
func ignored(name, base string) bool {
	if name == "." {
		return false
	}
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") ||
		slices.Contains([]string{"testdata", "vendor", "node_modules"}, base)
}

// parse reads one file.
func parse(fsys fs.FS, name string) (*source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &source{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: string(text), fset: token.NewFileSet()}
	s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// run runs a command of the toolchain in dir and gives what it printed.
func run(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, complaint.String())
	}
	return string(out)
}
