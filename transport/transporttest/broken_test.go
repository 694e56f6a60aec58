// SPDX-License-Identifier: Apache-2.0

package transporttest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

func TestMain(m *testing.M) { leak.Main(m) }

// defectEnv names a defect; then TestDefect runs the suite with it.
const defectEnv = "PLEXUS_TRANSPORTTEST_DEFECT"

// defect is a Conn that does one thing wrong, and where the suite must notice.
type defect struct {
	wrap    func(c *mem.Conn) transport.Conn
	noticed string // the name of a test that must fail
}

var defects = map[string]defect{
	"loses a frame": {func(c *mem.Conn) transport.Conn {
		c.SetFaults(mem.Faults{Lose: mem.Only(150)})
		return c
	}, "every_size"},
	"repeats a frame": {func(c *mem.Conn) transport.Conn {
		c.SetFaults(mem.Faults{Duplicate: mem.Only(40)})
		return c
	}, "batches"},
	"changes a byte": {func(c *mem.Conn) transport.Conn {
		c.SetFaults(mem.Faults{Corrupt: mem.Only(40)})
		return c
	}, "both_directions"},
	"hides an ability":     {func(c *mem.Conn) transport.Conn { return transporttest.Bare(c) }, "abilities"},
	"TrySend takes all":    {func(c *mem.Conn) transport.Conn { return greedy{c} }, "TrySend"},
	"Ready is never true":  {func(c *mem.Conn) transport.Conn { return unready{c} }, "Ready"},
	"Ready is always true": {func(c *mem.Conn) transport.Conn { return eager{c} }, "Ready"},
	"interrupt is lost":    {func(c *mem.Conn) transport.Conn { return forgetful{c} }, "Interrupt/before"},
	"another end":          {func(c *mem.Conn) transport.Conn { return endless{c} }, "Close/peer"},
	"another close":        {func(c *mem.Conn) transport.Conn { return unclosed{c} }, "Close/twice"},
	"reuses a buffer":      {func(c *mem.Conn) transport.Conn { return &reuser{Conn: c} }, "buffers_live_on"},
	"leaks a goroutine":    {func(c *mem.Conn) transport.Conn { go func() { select {} }(); return c }, "every_size/full"},
	"allocates":            {func(c *mem.Conn) transport.Conn { return waster{c} }, "allocations"},
}

// These embed the Conn, as a wrapper must not, in order to spoil one method each.
type (
	greedy    struct{ *mem.Conn }
	unready   struct{ *mem.Conn }
	eager     struct{ *mem.Conn }
	forgetful struct{ *mem.Conn }
	endless   struct{ *mem.Conn }
	unclosed  struct{ *mem.Conn }
	waster    struct{ *mem.Conn }
	reuser    struct {
		*mem.Conn
		last *transport.Buffer
	}
)

func (g greedy) TrySend(p []byte) (int, error) { _, err := g.Conn.TrySend(p); return len(p), err }
func (unready) Ready() bool                    { return false }
func (eager) Ready() bool                      { return true }

func (f forgetful) Recv() (*transport.Buffer, error) {
	b, err := f.Conn.Recv()
	if errors.Is(err, transport.ErrInterrupted) {
		return f.Conn.Recv()
	}
	return b, err
}

func (e endless) Recv() (*transport.Buffer, error) {
	b, err := e.Conn.Recv()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func (u unclosed) Recv() (*transport.Buffer, error) {
	b, err := u.Conn.Recv()
	if b == nil && !errors.Is(err, transport.ErrInterrupted) {
		err = io.EOF
	}
	return b, err
}

func (r *reuser) Recv() (*transport.Buffer, error) {
	b, err := r.Conn.Recv()
	if r.last != nil && b != nil {
		copy(r.last.Bytes(), b.Bytes())
	}
	if b != nil {
		r.last = transport.CopyBuffer(b.Bytes())
		b.Release()
		b = r.last
	}
	return b, err
}

func (w waster) Send(p []byte) error { return w.Conn.Send(bytes.Clone(p)) }

// TestDefect is run by TestSuiteNotices in a process of its own, where it shall fail.
func TestDefect(t *testing.T) {
	d, ok := defects[os.Getenv(defectEnv)]
	if !ok {
		t.Skip("runs only as a child of TestSuiteNotices")
	}
	transporttest.Test(t, transporttest.Factory{
		Pair: func(testing.TB) (a, b transport.Conn) {
			x, y := mem.Pipe()
			return d.wrap(x), d.wrap(y)
		},
		Abilities:     []transporttest.Ability{transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.RemoteAddress},
		NoAllocations: true,
		Patience:      200 * time.Millisecond,
	})
}

// TestSuiteNotices: each defect makes the test fail that is meant for it.
func TestSuiteNotices(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the suite many times")
	}
	for name, d := range defects {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestDefect$/^"+d.noticed, "-test.timeout=60s", "-test.v")
			cmd.Env = append(os.Environ(), defectEnv+"="+name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if d.noticed == "allocations" && strings.Contains(string(out), "race detector") {
				t.Skip("allocations are not measured under the race detector")
			}
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestDefect/"+d.noticed) {
				t.Errorf("the suite does not notice: %v\n%s", err, out)
			}
		})
	}
}
