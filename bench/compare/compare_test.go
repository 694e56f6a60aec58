// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/bench/compare/internal/report"
	"github.com/plexus-ipc/plexus/internal/leak"
)

// TestMain makes the test binary the program as well: as a child with a role, and as a
// whole when its first argument is "compare".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "compare" {
		os.Args = slices.Delete(os.Args, 1, 2)
		main()
		return
	}
	if slices.Contains(os.Args, "-role") {
		main()
		return
	}
	leak.Main(m)
}

// smoke is a comparison as small as can be.
func smoke(docs string) *options {
	return &options{
		rounds: 1, quiet: 1, warm: 5 * time.Millisecond, run: 10 * time.Millisecond, docs: docs,
		rows: "call-1,stream,hub-1,publish-1", systems: "plexus,floor,net/rpc", transports: "unix",
	}
}

func TestSmoke(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's pause at the end of each process
	docs := t.TempDir()
	if err := smoke(docs).compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := read(t, docs, "benchmarks.md")
	for _, want := range []string{"### Over unix", "**Call, 64 B, one caller**", "| **plexus** |", "| floor |", "| net/rpc |", "plots/direct-unix.svg", "plots/hub-unix.svg", "it has no streams"} {
		if !strings.Contains(page, want) {
			t.Errorf("benchmarks.md lacks %q", want)
		}
	}
	for _, name := range []string{"direct-unix.svg", "hub-unix.svg"} {
		checkXML(t, read(t, filepath.Join(docs, "plots"), name))
	}
	r, err := report.Load(filepath.Join(docs, "benchmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	// net/rpc takes part in one of the four rows.
	if good := len(r.Records); good != 4+4+1 || r.Machine.Cores == 0 || len(r.Systems) != 3 {
		t.Errorf("%d records, machine %+v, systems %v", good, r.Machine, r.Systems)
	}
	for _, rec := range r.Records {
		if rec.Error != "" || rec.PerSecond <= 0 {
			t.Errorf("%+v", rec)
		}
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	again := &options{from: filepath.Join(docs, "benchmarks.json"), docs: docs}
	if err := again.compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if read(t, docs, "benchmarks.md") != page {
		t.Error("the page is another when it is made again from the rounds")
	}
}

func TestInterruptKeepsWhatThereIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := smoke(t.TempDir()).compare(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was interrupted", err)
	}
}

func TestUnknownRow(t *testing.T) {
	if err := (&options{rows: "nonsense"}).compare(t.Context()); err == nil {
		t.Error("a row that does not exist was measured")
	}
}

// TestKilled: when the program is killed, so is all that it has started.
func TestKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(os.Args[0], "compare", "-peers=false", "-systems", "floor", "-rows", "hub-1", "-transports", "unix", "-run", "1m", "-warm", "1ms")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "its three processes", func() bool { return len(mention(t, dir)) == 3 })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	await(t, "their end", func() bool { return len(mention(t, dir)) == 0 })
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for !done() {
		select {
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// mention lists the processes whose arguments mention a folder.
func mention(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(name string) bool {
		b, err := os.ReadFile(name)
		return err != nil || !strings.Contains(string(b), dir)
	})
}

// children lists the child processes of this one, where the system tells.
func children(t *testing.T) []string {
	t.Helper()
	var all []string
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue // the thread has ended
		}
		words := bufio.NewScanner(f)
		words.Split(bufio.ScanWords)
		for words.Scan() {
			all = append(all, words.Text())
		}
		f.Close()
	}
	return all
}

func read(t *testing.T, folder, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, text)
		}
	}
}
