// SPDX-License-Identifier: Apache-2.0

// Package leak finds what a test leaves behind: goroutines, descriptors, temporary files, shared memory.
//
// A package's tests end with it:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// and a single test begins with it: leak.Check(t). What stood at the start is nobody's leak, and what is merely late has
// five seconds to go. Descriptors and mappings are seen on Linux only, goroutines and files everywhere.
package leak

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long what is on its way out may take.
const patience = 5 * time.Second

// Runner is a *testing.M, or what wraps one.
type Runner interface{ Run() int }

// Main runs the tests and ends the process: with their exit code, or with 1 if they passed and left something behind.
// It does not return.
func Main(m Runner) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do at the end: it gives the exit code back.
//
// While the tests run, os.TempDir is a folder of their own, so that the tests of other packages, which run at the same
// time, are not taken for leaks; it is removed at the end with all that is in it.
func Run(m Runner) int { return watch{patience: patience, out: os.Stderr}.run(m) }

// Check looks for leaks at the end of a test, after the clean-up that was registered later than this call. It sees the
// whole process, so it is not for tests that are Parallel.
func Check(t testing.TB) {
	t.Helper()
	check(t, patience)
}

// check is Check with its patience.
func check(t testing.TB, patience time.Duration) {
	t.Helper()
	before := take()
	t.Cleanup(func() {
		if left := before.await(patience); len(left) > 0 {
			t.Errorf("left behind:\n%s", report(left))
		}
	})
}

// watch is one run of a test binary under watch.
type watch struct {
	patience time.Duration
	out      io.Writer
}

// run runs the tests and looks afterwards. Failed tests are failure enough: what they leave is not told.
func (w watch) run(m Runner) int {
	private, err := privateTemp()
	if err != nil {
		fmt.Fprintln(w.out, "leak:", err)
		return 1
	}
	defer private.remove()

	before := take()
	code := m.Run()
	if code != 0 {
		return code
	}
	left := before.await(w.patience)
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(w.out, "leak: the tests passed and left behind:\n%s", report(left))
	return 1
}

// snapshot is what exists at one moment: what tells a thing apart, and how it is told to the reader.
type snapshot map[string]string

// take looks at the process. It wakes the poller first, whose own descriptors would otherwise look like a test's.
func take() snapshot {
	wakePoller()
	s := snapshot{}
	addGoroutines(s)
	addFiles(s)
	addDescriptors(s)
	addMappings(s)
	return s
}

// wakePoller makes the runtime open its poller.
func wakePoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// await looks again until nothing is left or patience is over, and gives what is left.
func (s snapshot) await(patience time.Duration) snapshot {
	over := time.NewTimer(patience)
	defer over.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := take().without(s)
		if len(left) == 0 {
			return nil
		}
		if left.onlyPipes() {
			runtime.GC() // a socket-to-socket copy keeps pipes in a sync.Pool of the standard library
		}
		select {
		case <-over.C:
			return left
		case <-time.After(pause):
		}
	}
}

// without gives what is in s and not in before.
func (s snapshot) without(before snapshot) snapshot {
	left := snapshot{}
	for id, text := range s {
		if _, old := before[id]; !old {
			left[id] = text
		}
	}
	return left
}

// onlyPipes tells whether all that is there are descriptors of pipes.
func (s snapshot) onlyPipes() bool {
	for _, text := range s {
		if !strings.HasPrefix(text, "descriptor") || !strings.Contains(text, "-> pipe:") {
			return false
		}
	}
	return true
}
