// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBroken breaks each rule with the small repositories of testdata. A case is one text file: what it shows, the
// complaints it must give ("want: …", all of them, in any order; none is a case that must pass), and the files.
func TestBroken(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases: ", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			c := readCase(t, name)
			compare(t, c.complaints(t), c.want)
		})
	}
}

// TestBrokenModules breaks the module cut.
func TestBrokenModules(t *testing.T) {
	winio, logrus := "github.com/Microsoft/go-winio", "github.com/sirupsen/logrus"
	compare(t, strangers([]string{project, "golang.org/x/sys"}), nil)
	compare(t, strangers([]string{project, "golang.org/x/sys", winio, logrus}), nil)
	compare(t, strangers([]string{project, "golang.org/x/sys", logrus}), []string{logrus})
	compare(t, strangers([]string{project, "example.com/left-pad"}), []string{"example.com/left-pad"})
}

// TestBrokenDocs breaks the lists of the docs.
func TestBrokenDocs(t *testing.T) {
	var m module
	m.Require = append(m.Require, struct {
		Path     string
		Indirect bool
	}{Path: "example.com/left-pad"})
	m.Tool = append(m.Tool, struct{ Path string }{"example.com/lint"})
	compare(t, untold(m, "we use `example.com/left-pad` and `example.com/lint`"), nil)
	compare(t, untold(m, "we use nothing"), []string{"example.com/left-pad", "example.com/lint"})
	compare(t, undrawn([]row{{path: "wire"}, {path: "hub"}}, "only `hub`"), []string{"wire"})
}

// TestBrokenExcuses breaks the list of excuses.
func TestBrokenExcuses(t *testing.T) {
	found := []finding{{rule: "sleep", file: "a_test.go", name: "TestA", text: "time.Sleep"}}
	compare(t, excuseFrom(found, nil), []string{"a_test.go:0: sleep"})
	compare(t, excuseFrom(found, []excuse{{"sleep", "a_test.go", "TestA", "the kernel's own clock is tested"}}), nil)
	compare(t, excuseFrom(found, []excuse{{"sleep", "a_test.go", "", ""}}), []string{"has no reason"})
	compare(t, excuseFrom(nil, []excuse{{"sleep", "a_test.go", "", "gone"}}), []string{"excuses nothing"})
	compare(t, excuseFrom(found, []excuse{{"init", "a_test.go", "", "other"}}), []string{"sleep", "excuses nothing"})
}

// TestBrokenSizes breaks the sizes, which would be long to write down.
func TestBrokenSizes(t *testing.T) {
	head := spdx + "\n\n// Package wire is long.\npackage wire\n\n"
	long := "// F is long.\nfunc F() {\n" + strings.Repeat("\t_ = 0\n", functionLines-1) + "}\n"
	fits := "// F fits.\nfunc F() {\n" + strings.Repeat("\t_ = 0\n", functionLines-2) + "}\n"
	lines := func(n int) string { return strings.Repeat("// A line.\n", n-5) }
	reason := func(mark, text string) string {
		return strings.Replace(text, "// ", mark+" one table, read at once.\n// ", 1)
	}
	wordless := strings.Replace(long, "// ", "// size:\n// ", 1)

	compareSizes(t, []string{head + fits}, nil)
	compareSizes(t, []string{head + long}, []string{"F has 81 lines"})
	compareSizes(t, []string{head + wordless}, []string{"F has 81 lines"})
	compareSizes(t, []string{head + reason("// size:", long)}, nil)
	compareSizes(t, []string{head + strings.Replace(long, "{\n", "{ // size: one table.\n", 1)}, nil)
	compareSizes(t, []string{head + lines(fileLines)}, nil)
	compareSizes(t, []string{head + lines(fileLines+1)}, []string{"501 lines, more than 500"})
	compareSizes(t, []string{strings.Replace(head, "// Package", "// size: one table, read at once.\n// Package", 1) + lines(fileLines+1)}, nil)

	full := slices.Repeat([]string{head + lines(fileLines)}, packageLines/fileLines)
	compareSizes(t, full, nil)
	compareSizes(t, append(full, head), []string{"2505 lines without tests"})
	excusedHead := strings.Replace(head, "// Package", "// package size: one machine, read at once.\n// Package", 1)
	compareSizes(t, append(full, excusedHead), nil)
}

// compareSizes mirrors a package made of the texts.
func compareSizes(t *testing.T, texts, want []string) {
	t.Helper()
	files := fstest.MapFS{}
	for i, text := range texts {
		files["wire/"+strconv.Itoa(i)+".go"] = &fstest.MapFile{Data: []byte(text)}
	}
	sources, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, excuseFrom(mirror(sources), nil), want)
}

// compare wants each complaint wanted once, and no other.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(complaint string) bool { return strings.Contains(complaint, w) })
		if i < 0 {
			t.Errorf("no complaint says %q", w)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, complaint := range left {
		t.Errorf("unexpected: %s", complaint)
	}
}

// brokenCase is one file of testdata.
type brokenCase struct {
	check string
	want  []string
	files fstest.MapFS
}

// complaints runs the check that the case is for.
func (c brokenCase) complaints(t *testing.T) []string {
	t.Helper()
	if c.check == "links" {
		complaints, err := checkLinks(c.files)
		if err != nil {
			t.Fatal(err)
		}
		return complaints
	}
	sources, err := load(c.files)
	if err != nil {
		t.Fatal(err)
	}
	if c.check == "imports" {
		return checkImports(sources)
	}
	return excuseFrom(mirror(sources), nil)
}

var fileMark = regexp.MustCompile(`^-- (\S+) --$`)

// readCase reads a case: notes, "check: …" and "want: …" lines, then the files, each after "-- name --".
func readCase(t *testing.T, name string) brokenCase {
	t.Helper()
	c := brokenCase{files: fstest.MapFS{}}
	var file *fstest.MapFile
	lines := bufio.NewScanner(strings.NewReader(read(t, name)))
	for lines.Scan() {
		line := lines.Text()
		if mark := fileMark.FindStringSubmatch(line); mark != nil {
			file = &fstest.MapFile{Mode: 0o644}
			c.files[mark[1]] = file
		} else if file != nil {
			file.Data = fmt.Appendln(file.Data, line)
		} else if check, ok := strings.CutPrefix(line, "check: "); ok {
			c.check = check
		} else if want, ok := strings.CutPrefix(line, "want: "); ok {
			c.want = append(c.want, want)
		}
	}
	if !slices.Contains([]string{"imports", "mirror", "links"}, c.check) || len(c.files) == 0 {
		t.Fatalf("%s: no check or no files", name)
	}
	return c
}

// TestRepositoryIsSeen guards against a rule that passes because it looks at nothing.
func TestRepositoryIsSeen(t *testing.T) {
	files := workspace(t)
	if _, err := os.Stat("table_test.go"); err != nil || len(files) < 10 {
		t.Fatalf("only %d Go files seen", len(files))
	}
	if !slices.ContainsFunc(files, func(s *source) bool { return s.name == "internal/layers/table_test.go" }) {
		t.Fatal("this package's own files are not among those read")
	}
}
