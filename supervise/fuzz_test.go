// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

// FuzzLifeline gives a parent what a child may write into its lifeline: the address that is
// noted is one, and readiness is told by the word only.
func FuzzLifeline(f *testing.F) {
	f.Add([]byte("here\nlinked\nready unix:///tmp/x\n"))
	f.Add([]byte("ready tcp://127.0.0.1:1\nready\nready ://\n\x00\xff"))
	f.Add(bytes.Repeat([]byte("x"), maxReport+10))
	f.Fuzz(func(t *testing.T, said []byte) {
		c := &Child{cfg: &Config{Name: "child", Log: slog.New(slog.DiscardHandler)}, saidReady: make(chan struct{})}
		c.listen(bytes.NewReader(said))
		if c.endpoint != "" {
			if ep, err := endpoint.Parse(c.endpoint); err != nil || ep.String() != c.endpoint {
				t.Errorf("the noted address %q: %v", c.endpoint, err)
			}
		}
		select {
		case <-c.saidReady:
			if !bytes.Contains(said, []byte(wordReady)) {
				t.Error("ready without the word")
			}
		default:
		}
	})
}

// FuzzStray: what a child prints before its first frame is told, and what follows is read, to
// the byte, however it is cut.
func FuzzStray(f *testing.F) {
	f.Add([]byte("hello\nworld"), []byte("frame"), 3)
	f.Add([]byte("\x10\x00\x00\x00PLEX"), []byte(""), 1)
	f.Add([]byte("\x10\x10\x00\x00\x00PLEXU\x10\x00"), []byte("\x10\x00\x00\x00PLEXUS"), 5)
	f.Fuzz(func(t *testing.T, before, after []byte, piece int) {
		if len(before)+len(after) > 32<<10 || bytes.Contains(append(bytes.Clone(before), preface...), preface) && bytes.Index(append(bytes.Clone(before), preface...), preface) < len(before) {
			t.Skip("the preface is in it")
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		all := append(append(bytes.Clone(before), preface...), after...)
		go func() {
			defer w.Close()
			for rest := all; len(rest) > 0; {
				n := min(max(piece, 1), len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		p := &pipe{r: r}
		defer p.Close()
		var told []byte
		stray := &lines{max: 64 << 10, tell: func(text []byte, more bool) {
			told = append(told, text...)
			if !more {
				told = append(told, '\n')
			}
		}}
		if err := p.skip(stray); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, all[len(before):]) {
			t.Fatalf("%q follows, want %q (%v)", got, all[len(before):], err)
		}
		plain := func(b []byte) []byte {
			return bytes.TrimRight(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), "\r\n")
		}
		if !bytes.Equal(plain(told), plain(before)) {
			t.Fatalf("%q is told, want %q", told, before)
		}
	})
}
