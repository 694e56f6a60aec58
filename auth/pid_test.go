// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPIDDecidesNothing: a process id may be another process's by now, so nothing that this
// package decides depends on it: with any, with none and with the own one the answers are the
// same, and so is who failed attempts are counted against.
func TestPIDDecidesNothing(t *testing.T) {
	allow := Allow{UIDs: []int{1000}, CheckServer: true}
	for _, uid := range []int{1000, 1001} {
		first := unixPeer(uid, uid, 0)
		for _, pid := range []int{0, 1, 4711, 1 << 22, -1} {
			p := unixPeer(uid, uid, pid)
			for _, m := range []Mechanism{PeerCredentials(allow), All(PeerCredentials(allow), None())} {
				_, _, err := m.Server(Binding{Peer: p}).Step(nil)
				_, _, err2 := m.Client(Binding{Peer: p}).Step(nil)
				if (err == nil) != (uid == 1000) || (err2 == nil) != (uid == 1000) {
					t.Fatal(uid, pid, err, err2)
				}
			}
			id := known("peer", p)
			if p.Origin() != first.Origin() || id.Name != known("peer", first).Name || id.Own() != known("peer", first).Own() {
				t.Fatal(p)
			}
		}
	}
}

// readers of PID are the only ones in the library, and what they do with it.
var readers = map[string]string{
	"auth/identity.go":               "tells it in logs",
	"auth/token/hold.go":             "hands it on",
	"auth/token/verify.go":           "hands it on",
	"hub/guard/backoff.go":           "hands it on in a Peer, whose Origin does not look at it",
	"session/handshake.go":           "hands it on",
	"transport/shm/conn_linux.go":    "tells it in logs",
	"transport/socket/probe_unix.go": "tells who serves an address already",
}

// TestPIDIsReadForLogsOnly: nobody else in the library reads the process id of a peer, so
// nobody decides by it.
func TestPIDIsReadForLogsOnly(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"auth", "session", "service", "server", "client", "hub", "bridge", "daemon", "transport", "."} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && room == "." && path != root {
				return cmpErr(err, fs.SkipDir)
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if uses := pidUses(t, path); len(uses) > 0 && readers[filepath.ToSlash(rel)] == "" {
				t.Errorf("%s reads a process id in line %v: say in readers that it decides nothing by it", rel, uses)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// pidUses returns the lines in which .PID of a peer is read.
func pidUses(t *testing.T, path string) (at []int) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if ok && s.Sel.Name == "PID" && !slices.Contains(at, set.Position(s.Pos()).Line) {
			at = append(at, set.Position(s.Pos()).Line)
		}
		return true
	})
	return at
}
