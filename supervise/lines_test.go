// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

// TestLines: whatever the pieces in which text is written, it is told in the same lines.
func TestLines(t *testing.T) {
	const text = "one\r\n\ntwo two\nthree three three\n1234567890\nend"
	want := []string{"one", "", "two two", "three thre+", "e three", "1234567890", "end"}
	for size := 1; size < len(text)+1; size++ {
		var got []string
		l := &lines{max: 10, tell: func(p []byte, more bool) {
			s := string(p)
			if more {
				s += "+"
			}
			got = append(got, s)
		}}
		for p := range slices.Chunk([]byte(text), size) {
			if n, err := l.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		l.end()
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}

// TestSkip: the first frame is found behind any text, however it is cut.
func TestSkip(t *testing.T) {
	for _, stray := range []string{"", "hello\n", "\x10\x00\x00\x00PLEX", strings.Repeat("x\x10", 40<<10)} {
		for cut := range len(preface) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			p := &pipe{r: r}
			go func() {
				_, _ = io.WriteString(w, stray+string(preface[:cut]))
				_, _ = io.WriteString(w, string(preface[cut:])+" and more")
				w.Close()
			}()
			var told strings.Builder
			if err := p.skip(&lines{max: 100, tell: func(p []byte, _ bool) { told.Write(p) }}); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(p)
			if err != nil || string(rest) != string(preface)+" and more" || told.String() != strings.ReplaceAll(stray, "\n", "") {
				t.Errorf("cut at %d: %d bytes of text, then %q, %v", cut, told.Len(), rest, err)
			}
			r.Close()
		}
	}
}

// TestEnvironment: what was meant for this process is not handed on.
func TestEnvironment(t *testing.T) {
	got := environment([]string{"A=1", endpoint.EnvVar + "=x", LifelineVar + "=3", DirVar + "=/d", "B"}, []string{endpoint.EnvVar + "=y"})
	if want := []string{"A=1", "B", endpoint.EnvVar + "=y"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
