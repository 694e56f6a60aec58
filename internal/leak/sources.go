// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// report tells the leaks in a steady order.
func report(left snapshot) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(left)) {
		b.WriteString("  " + strings.ReplaceAll(left[id], "\n", "\n    ") + "\n")
	}
	return b.String()
}

// addGoroutines notes every goroutine but the caller's and those that are not a test's doing.
func addGoroutines(s snapshot) {
	for _, stack := range stacks()[1:] {
		if header, _, ok := strings.Cut(stack, " ["); ok && !expected(stack) {
			s[header] = stack
		}
	}
}

// stacks gives the stack of each goroutine, the caller's first.
func stacks() []string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return strings.Split(strings.TrimSpace(string(buf[:n])), "\n\n")
		}
	}
}

// expectedFrames stand in the stacks of goroutines that live as long as the process, or that are tests themselves.
var expectedFrames = []string{
	"testing.tRunner(",         // another test, or one that waits for its parallel children
	"testing.(*M).",            // the main goroutine
	"testing.runFuzzing(",      // the fuzzer
	"testing.runFuzzTests(",    // the same with seeds only
	"testing.(*F).Fuzz.",       // a fuzzed call
	"os/signal.loop(",          // signal.Notify starts it once
	"os/signal.signal_recv(",   // the same
	"runtime.ensureSigM.func1", // the same
	"runtime/trace.Start.",     // go test -trace
	"runtime.ReadTrace(",       // the same
}

// expected tells whether a stack is one of those. Who created the goroutine does not count: a test creates its leaks.
func expected(stack string) bool {
	frames, _, _ := strings.Cut(stack, "\ncreated by ")
	return slices.ContainsFunc(expectedFrames, func(frame string) bool { return strings.Contains(frames, "\n"+frame) })
}

// addFiles notes our files among the temporary ones.
func addFiles(s snapshot) {
	names, err := filepath.Glob(filepath.Join(os.TempDir(), "plexus*"))
	if err != nil {
		return
	}
	for _, name := range names {
		s["file "+name] = "file " + name
	}
}

// temp is a folder for temporary files that stands in for the usual one.
type temp struct {
	dir      string
	variable string
	usual    string
	set      bool
}

// privateTemp makes one. Its name is short: a unix socket's path has a hundred bytes in all.
func privateTemp() (temp, error) {
	dir, err := os.MkdirTemp("", "px")
	if err != nil {
		return temp{}, err
	}
	t := temp{dir: dir, variable: "TMPDIR"}
	if runtime.GOOS == "windows" {
		t.variable = "TMP"
	}
	t.usual, t.set = os.LookupEnv(t.variable)
	return t, os.Setenv(t.variable, dir)
}

// remove puts things back.
func (t temp) remove() {
	if t.set {
		os.Setenv(t.variable, t.usual)
	} else {
		os.Unsetenv(t.variable)
	}
	os.RemoveAll(t.dir)
}
