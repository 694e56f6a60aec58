// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// tests is a Runner that does what a test binary would.
type tests func() int

func (t tests) Run() int { return t() }

// watched runs fake tests with little patience and gives the exit code and what was printed.
func watched(do func() int) (int, string) {
	var out strings.Builder
	code := watch{patience: 50 * time.Millisecond, out: &out}.run(tests(do))
	return code, out.String()
}

// wantLeak wants the fake tests to be found guilty, with the words in the report.
func wantLeak(t *testing.T, do func(), words ...string) {
	t.Helper()
	code, out := watched(func() int { do(); return 0 })
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			t.Errorf("the report does not say %q:\n%s", word, out)
		}
	}
}

func TestNothingLeft(t *testing.T) {
	code, out := watched(func() int {
		done := make(chan struct{})
		go close(done)
		<-done
		return 0
	})
	if code != 0 || out != "" {
		t.Errorf("exit code %d, printed %q", code, out)
	}
}

func TestFailureKeepsItsCode(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	code, out := watched(func() int {
		go func() { <-stop }()
		return 3
	})
	if code != 3 || out != "" {
		t.Errorf("exit code %d, printed %q", code, out)
	}
}

func TestGoroutine(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	wantLeak(t, func() { go func() { <-stop }() }, "goroutine", "chan receive", "leak.TestGoroutine")
}

func TestLateGoroutineIsWaitedFor(t *testing.T) {
	code, out := watched(func() int {
		started := make(chan struct{})
		go func() {
			close(started)
			<-time.After(10 * time.Millisecond)
		}()
		<-started
		return 0
	})
	if code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestSignalHandlingIsNoLeak(t *testing.T) {
	code, out := watched(func() int {
		c := make(chan os.Signal, 1)
		signal.Notify(c, os.Interrupt)
		signal.Stop(c)
		return 0
	})
	if code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestFile(t *testing.T) {
	var name string
	wantLeak(t, func() {
		name = filepath.Join(os.TempDir(), "plexus-left.sock")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}, "file", "plexus-left.sock")
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", name, err)
	}
}

func TestOtherFilesAreNotOurs(t *testing.T) {
	code, out := watched(func() int {
		if err := os.WriteFile(filepath.Join(os.TempDir(), "other"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return 0
	})
	if code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestTempDirIsPutBack(t *testing.T) {
	before := os.TempDir()
	var inside string
	watched(func() int { inside = os.TempDir(); return 0 })
	if inside == before || os.TempDir() != before {
		t.Errorf("os.TempDir was %s, then %s, then %s", before, inside, os.TempDir())
	}
	if _, err := os.Stat(inside); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", inside, err)
	}
}

// failing is a testing.TB that notes what the test would say.
type failing struct {
	testing.TB
	cleanups []func()
	said     bool
}

func (f *failing) Helper()               {}
func (f *failing) Cleanup(fn func())     { f.cleanups = append(f.cleanups, fn) }
func (f *failing) Errorf(string, ...any) { f.said = true }

func TestCheck(t *testing.T) {
	Check(t) // the innocent case, with a listener that is closed
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFinds(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	f := &failing{TB: t}
	check(f, 50*time.Millisecond)
	go func() { <-stop }()
	for _, cleanup := range f.cleanups {
		cleanup()
	}
	if !f.said {
		t.Error("a goroutine was left behind and nothing was said")
	}
}
