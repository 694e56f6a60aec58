// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestProvidersAgreeWithScans: the index and the statistics give what scanning gives, on
// these very files.
func TestProvidersAgreeWithScans(t *testing.T) {
	c, err := load("..")
	if err != nil {
		t.Fatal(err)
	}
	x := newIndexer("..")
	if _, err := x.search(t.Context(), query{"func", 1}); !errors.Is(err, status.FailedPrecondition) {
		t.Error("before it is built:", err)
	}
	b, err := x.build(t.Context(), struct{}{})
	if err != nil || b.Digest != c.Digest || b.Files != len(c.Files) || b.Lines != c.Lines {
		t.Fatalf("%+v, %v", b, err)
	}
	want := expect(c)
	s := newStatistics(c)
	for _, w := range sampleWords() {
		h, err := x.search(t.Context(), query{w, searchTop})
		if err != nil || digest(h) != want["search "+w] {
			t.Errorf("search %s: %+v, %v", w, h, err)
		}
		if digest(wordCount{w, s.counts[w]}) != want["lookup "+w] {
			t.Errorf("lookup %s: %d", w, s.counts[w])
		}
	}
	top, err := s.top(t.Context(), topWords)
	if err != nil || digest(top) != want["top"] {
		t.Error("top:", top, err)
	}
	var lines []hit
	err = x.lines(t.Context(), grep{grepText, "t"}, func(h hit) error { lines = append(lines, h); return nil })
	if err != nil || digest(lines) != want["lines"] {
		t.Error("lines:", len(lines), err)
	}
	if n, err := x.produced(t.Context(), "t"); err != nil || n != len(lines) {
		t.Error("produced:", n, err)
	}
}

// TestVerify: a wrong result is found out.
func TestVerify(t *testing.T) {
	r := Row{OK: true, Got: map[string]string{"top": "x"}}
	if r.verify(map[string]string{"top": "x"}); !r.OK {
		t.Error(r.Why)
	}
	r = Row{OK: true, Got: map[string]string{"top": "y"}}
	if r.verify(map[string]string{"top": "x"}); r.OK || !strings.Contains(r.Why, "top") {
		t.Error(r)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := load(dir); !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
	write("b/x.go", "package b\n\nvar ü = \"\xff\"\n")
	write("a.go", "package a")
	write(".git/x.go", "package no")
	write("testdata/x.go", "package no")
	write("x.txt", "no")
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 2 || c.Files[0].Path != "a.go" || c.Files[1].Path != "b/x.go" || c.Lines != 4 || c.Files[1].Lines[2] != `var ü = "?"` {
		t.Errorf("%+v", c)
	}
	before := c.Digest
	write("a.go", "package c")
	if c, err = load(dir); err != nil || c.Digest == before {
		t.Error("the digest does not tell a change", err)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	if m.percentile(99) != 0 {
		t.Error("of nothing")
	}
	for i := range 100 {
		m.d = append(m.d, time.Duration(100-i))
	}
	if m.percentile(50) != 51 || m.percentile(99) != 100 || !slices.IsSorted(m.d) {
		t.Error(m.percentile(50), m.percentile(99))
	}
}

func FuzzWords(f *testing.F) {
	f.Add("func (x *T) größe_1() {}")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		var walked []string
		eachWord(line, func(w string) { walked = append(walked, w) })
		split := strings.FieldsFunc(line, func(r rune) bool { return r >= 0x80 || !isWord(byte(r)) })
		if !slices.Equal(walked, split) {
			t.Errorf("%q: %q, %q", line, walked, split)
		}
	})
}
