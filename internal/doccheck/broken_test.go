// SPDX-License-Identifier: Apache-2.0

package doccheck

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBrokenBlocks breaks what is shown.
func TestBrokenBlocks(t *testing.T) {
	program := "// SPDX\n\n// Command x.\npackage main\n\n// F is f.\nfunc F() {}\n\nfunc main() {}\n"
	for _, c := range []struct{ name, page, want string }{
		{"equal", "<!-- from: x.go -->\n\n```go\npackage main\n\n// F is f.\nfunc F() {}\n\nfunc main() {}\n```\n", ""},
		{"a declaration", "<!-- from: x.go#F -->\n```go\n// F is f.\nfunc F() {}\n```\n", ""},
		{"another file", "<!-- from: x.sh -->\n```sh\necho\n```\n", ""},
		{"differs", "<!-- from: x.go#F -->\n```go\nfunc F() {}\n```\n", "differs from x.go#F"},
		{"no file", "<!-- from: y.go -->\n```go\n```\n", "y.go"},
		{"no declaration", "<!-- from: x.go#G -->\n```go\n```\n", "declares no G"},
		{"no mark", "```go\nfunc F() {}\n```\n", "does not say where"},
		{"a mark too far away", "<!-- from: x.go#F -->\ntext\n```go\nfunc F() {}\n```\n", "does not say where"},
		{"long", "<!-- from: long.go -->\n```go\npackage main\n" + strings.Repeat("\n", shortLines) + "```\n", "the program has 16 lines"},
		{"no code", "```\nanything\n```\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository := fstest.MapFS{
				"README.md": {Data: []byte(c.page)}, "x.go": {Data: []byte(program)}, "x.sh": {Data: []byte("echo\n")},
				"long.go": {Data: []byte("package main\n" + strings.Repeat("\n", shortLines))},
			}
			var got []string
			for _, b := range blocks(t, repository, "README.md") {
				got = append(got, checkBlock(repository, b, true)...)
			}
			compare(t, got, c.want)
		})
	}
}

// TestBrokenCommands breaks what is to be typed.
func TestBrokenCommands(t *testing.T) {
	known := map[string]string{"call": "  --raw   bytes\n", "provide": "  --text   text\n"}
	repository := fstest.MapFS{"examples/x/main.go": {Data: []byte(`case "serve":`)}}
	for _, c := range []struct{ command, want string }{
		{"plexus call a/b --raw '1'   # --nothing", ""},
		{"go run ./cmd/plexus call a/b", ""},
		{"plexus provide a/b --text -- date --iso-8601", ""},
		{"go run ./examples/x serve", ""},
		{"go test work", ""},
		{"plexus phone a/b", `no verb "phone"`},
		{"A=1 plexus phone a/b", `no verb "phone"`},
		{"echo 1 | plexus phone -", `no verb "phone"`},
		{"$ go run ./cmd/plexus phone a/b &", `no verb "phone"`},
		{"plexus call a/b --cooked", "no flag --cooked"},
		{"go run ./examples/y serve", "examples/y"},
		{"go run ./examples/x eat", "no role eat"},
	} {
		b := block{page: "README.md", lang: "sh", text: c.command + "\n"}
		compare(t, checkCommands(repository, b, known), c.want)
	}
}

// TestBrokenFirst breaks the first commands.
func TestBrokenFirst(t *testing.T) {
	good := block{lang: "sh", text: strings.Join(first, "   # why\n") + "\n"}
	compare(t, checkFirst([]block{good}), "")
	compare(t, checkFirst(nil), "holds no commands")
	compare(t, checkFirst([]block{{lang: "go"}, good}), "holds no commands")
	compare(t, checkFirst([]block{{lang: "sh", text: "make\n" + good.text}}), "other commands")
	compare(t, checkFirst([]block{{lang: "sh", text: strings.Replace(good.text, "demo", "dome", 1)}}), "command 1")
}

// TestBrokenCoverage takes an example away.
func TestBrokenCoverage(t *testing.T) {
	repository := fstest.MapFS{
		"README.md":           {Data: []byte("examples/x")},
		"examples/x/main.go":  {},
		"a.go":                {Data: []byte("package p\n\nfunc A() {}\n\nfunc b() {}\n\nfunc (T) C() {}\n")},
		"example_test.go":     {Data: []byte("package p_test\n\nvar _ = plexus.A\n")},
		"another_test.go":     {Data: []byte("package p_test\n\nfunc D() {}\n")},
		"examples/y/other.go": {},
	}
	compare(t, checkExamples(t, repository), "")
	compare(t, checkFacade(t, repository), "")
	repository["README.md"] = &fstest.MapFile{}
	repository["example_test.go"] = &fstest.MapFile{Data: []byte("package p_test\n\nvar _ = plexus.AB\n")}
	compare(t, checkExamples(t, repository), "does not name examples/x")
	compare(t, checkFacade(t, repository), "calls plexus.A")
}

// compare wants one complaint that says want, or none.
func compare(t *testing.T, got []string, want string) {
	t.Helper()
	if want == "" && len(got) > 0 {
		t.Errorf("unexpected: %q", got)
	}
	if want != "" && (len(got) != 1 || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) })) {
		t.Errorf("complaints %q, want one that says %q", got, want)
	}
}

// TestBrokenProofs breaks what pages say of tests.
func TestBrokenProofs(t *testing.T) {
	for _, c := range []struct{ name, row, want string }{
		{"there", "| 1 | x | `TestA` |\n", ""},
		{"there, in its folder, a part", "| 1 | x | `a/b.TestA/part one` |\n", ""},
		{"not there", "| 1 | x | `TestB` |\n", "there is no test TestB"},
		{"elsewhere", "| 1 | x | `a.TestA` |\n", "there is no test a.TestA"},
		{"no row", "", "0 rows, 1 are due"},
		{"another number", "| 2 | x | `TestA` |\n", "row 2 follows row 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository := fstest.MapFS{"x.md": {Data: []byte(c.row)}, "a/b/c_test.go": {Data: []byte("package b\n\nfunc TestA(t *testing.T) {}\n")}}
			compare(t, checkProofs(t, repository, map[string]int{"x.md": 1}), c.want)
		})
	}
}
