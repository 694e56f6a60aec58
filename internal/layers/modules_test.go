// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// library is all that the library may be built from, on any system (docs/adr/0001-module-cut.md).
var library = []string{project, "golang.org/x/sys", "github.com/Microsoft/go-winio"}

// alongWinio are modules that go-winio's go.mod names and nothing of ours builds: they stand in the module graph once
// go-winio does, and only then.
var alongWinio = []string{"github.com/sirupsen/logrus", "golang.org/x/mod", "golang.org/x/sync", "golang.org/x/tools"}

// apart are modules that the workspace leaves out, with the reason.
var apart = map[string]string{
	"tools":               "its 200 modules would take part in choosing the versions of ours",
	"bench/compare/peers": "so would its 40; and who runs our tests need not download them",
}

// alone makes the go command see one module as a user of the library does.
var alone = []string{"GOWORK=off"}

func TestModuleCut(t *testing.T) {
	graph := strings.Fields(run(t, root(t), alone, "go", "list", "-m", "-f", "{{.Path}}", "all"))
	if extra := strangers(graph); len(extra) > 0 {
		t.Errorf("the library's go.mod brings %v; it may bring only %v: see docs/adr/0001-module-cut.md", extra, library)
	}
}

func TestLibraryIsBuiltFromLittle(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		env := append([]string{"GOOS=" + system, "CGO_ENABLED=0"}, alone...)
		out := run(t, root(t), env, "go", "list", "-e", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
		for _, module := range slices.Compact(slices.Sorted(slices.Values(strings.Fields(out)))) {
			if !slices.Contains(library, module) {
				t.Errorf("%s: the library is built from %s", system, module)
			}
		}
	}
}

// TestWorkspace: every module is in go.work, and is named after its folder.
func TestWorkspace(t *testing.T) {
	dir := root(t)
	used := map[string]bool{}
	for _, folder := range workFolders(t, dir) {
		used[folder] = true
		if name, want := readModule(t, dir, folder).Module.Path, path.Join(project, folder); name != want {
			t.Errorf("%s/go.mod: the module is %s, want %s", folder, name, want)
		}
	}
	err := walk(os.DirFS(dir), func(name string) error {
		if folder := path.Dir(name); path.Base(name) == "go.mod" && !used[folder] && apart[folder] == "" {
			t.Errorf("%s is not in go.work", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// strangers gives the modules of a graph that the library may not bring.
func strangers(graph []string) []string {
	allowed := library
	if slices.Contains(graph, "github.com/Microsoft/go-winio") {
		allowed = slices.Concat(library, alongWinio)
	}
	return slices.DeleteFunc(slices.Clone(graph), func(module string) bool { return slices.Contains(allowed, module) })
}

// module is what `go mod edit -json` tells.
type module struct {
	Module  struct{ Path string }
	Require []struct {
		Path     string
		Indirect bool
	}
	Tool []struct{ Path string }
}

// readModule reads the go.mod of a folder.
func readModule(t *testing.T, dir, folder string) module {
	t.Helper()
	var m module
	out := run(t, filepath.Join(dir, folder), alone, "go", "mod", "edit", "-json")
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatal(fmt.Errorf("%s/go.mod: %w", folder, err))
	}
	return m
}

// workFolders lists the folders of go.work, "." for the root.
func workFolders(t *testing.T, dir string) []string {
	t.Helper()
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal([]byte(run(t, dir, nil, "go", "work", "edit", "-json")), &work); err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, use := range work.Use {
		folders = append(folders, path.Clean(filepath.ToSlash(use.DiskPath)))
	}
	return folders
}
