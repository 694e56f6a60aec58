// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
)

// wallClock are the functions of package time that give or take a time without its monotonic
// part, by which a difference of two times would follow a clock that somebody sets.
var wallClock = map[string]bool{
	"Unix": true, "UnixMilli": true, "UnixMicro": true, "UnixNano": true, "Date": true, "Parse": true, "ParseInLocation": true,
	"AddDate": true, "UTC": true, "Local": true, "In": true, "GobDecode": true, "UnmarshalText": true, "UnmarshalJSON": true,
}

// No time limit can see the clock of the wall: a jump by a day changes nothing. Of all that could
// strip a time of its monotonic part nothing is used in what measures time: this package, and
// those that give it its configuration.
func TestNoWallClock(t *testing.T) {
	for _, dir := range []string{".", "../server", "../client", "../transport", "../transport/socket", "../transport/stdio", "../bridge", "../hub", "../hub/balance", "../hub/quota", "../hub/guard", "../service", "../auth", "../supervise"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		must(t, err)
		if len(files) == 0 {
			t.Errorf("no files in %s", dir)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				noWallClock(t, name)
			}
		}
	}
}

// wallOnPurpose are the files that have to do with times of other machines, for people.
var wallOnPurpose = map[string]string{
	"message.go": "when a message says it was made",
}

// A handler's deadline cannot be moved by who sets the clock (bug: it was a time of the wall).
func TestDeadlineIsMonotonic(t *testing.T) {
	got := make(chan time.Time, 1)
	ds, _ := memPair(t, nil, &session.Config{Router: methods{"when": {call: func(c *session.Call) {
		at, _ := c.Context().Deadline()
		got <- at
		c.Reply(session.Message{})
	}}}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := ds.Route(method("when")).Call(ctx, session.Message{}, nil)
	must(t, err)
	at := <-got
	if left := time.Until(at); left <= 0 || left > 20*time.Second || !strings.Contains(at.String(), " m=") {
		t.Error(at, left)
	}
}

// aDeadlinePassed is the one wall time: a deadline long gone, to wake who reads.
const aDeadlinePassed = "time.Unix(1, 0)"

func noWallClock(t *testing.T, name string) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, nil, 0)
	must(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !wallClock[sel.Sel.Name] {
			return true
		}
		if wallOnPurpose[filepath.ToSlash(name)] != "" {
			return true
		}
		if x, ok := sel.X.(*ast.SelectorExpr); ok && x.Sel.Name == "dir" {
			return true // the hub's directory
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name != "time" && isPackage(f, x.Name) {
			return true // of another package
		}
		if len(call.Args) == 2 && literal(call.Args[0]) == "1" && literal(call.Args[1]) == "0" {
			return true // aDeadlinePassed
		}
		t.Errorf("%s: %s; only %s is allowed", set.Position(n.Pos()), sel.Sel.Name, aDeadlinePassed)
		return true
	})
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		return l.Value
	}
	return ""
}

// isPackage reports whether a name is that of an import.
func isPackage(f *ast.File, name string) bool {
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if path[strings.LastIndex(path, "/")+1:] == name || i.Name != nil && i.Name.Name == name {
			return true
		}
	}
	return false
}
