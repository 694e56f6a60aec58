// SPDX-License-Identifier: Apache-2.0

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestQuickstart does what docs/quickstart.md tells, with the binary, Go, the shell and Python.
func TestQuickstart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has a shell script")
	}
	buildBinary(t)
	s := newStage(t)
	s.env = append(s.env, "PLEXUS_ADDRESS="+s.address, "PYTHONPATH="+filepath.Join("..", "clients", "python"))
	listening := "listening on " + s.address
	s.address = ""

	hub := s.start("plexus", "serve")
	hub.want(listening)
	counter := s.start("counter")
	counter.want("providing text/count")
	adder := s.start("plexus", "provide", "math/add", "--", "./quickstart/add.sh")
	s.await("42\n", "plexus", "call", "math/add", "[20,22]")
	if got := s.run("plexus", "call", "text/count", `"to be or not to be"`); !slices.Equal(got, []string{`{"words":6,"letters":18}`}) {
		t.Errorf("call printed %q", got)
	}
	if out, err := s.command("plexus", "call", "math/multiply", "[6,7]").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "nobody provides math/multiply") {
		t.Errorf("a call to nobody: %v, %s", err, out)
	}
	s.python(t)
	adder.stop()
	counter.stop()
	hub.stop()
	s.clean()
}

// python runs the consumer, where there is Python and its client.
func (s *stage) python(t *testing.T) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("no Python here")
		return
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("quickstart", "consume.py"))
	cmd.Env = append(slices.Clip(s.env), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "6 words, 18 letters\nsum: 42\n" {
		t.Errorf("python: %v, %s", err, out)
	}
}

// buildBinary builds cmd/plexus, a module of the workspace, beside the examples.
func buildBinary(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join("..", "cmd", "plexus", "main.go")); err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(programs, "plexus"), "../cmd/plexus").CombinedOutput()
	if err != nil && strings.Contains(string(out), "main module") {
		t.Skip("not in the workspace")
	}
	if err != nil {
		t.Fatalf("building the binary: %v\n%s", err, out)
	}
}
