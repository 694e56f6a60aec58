// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// stepEnv tells the child of TestKilledAt where to die.
const stepEnv = "PLEXUS_SHM_TEST_STEP"

// die goes to a step and kills itself there.
func die(c transport.Conn) error {
	shm.Stop(c, os.Getenv(stepEnv))
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// TestKilledAt kills a process at each step of what it does with shared memory: what was
// committed arrives, the end is seen, and nothing stays behind.
func TestKilledAt(t *testing.T) {
	for step := range shm.Steps {
		t.Run(step, func(t *testing.T) {
			leak.Check(t)
			t.Setenv(stepEnv, step)
			c, cmd := start(t, "die", nil)
			survivor, err := acceptUpgrade(c)
			check(t, err)
			survive(t, survivor, cmd, step)
		})
	}
}

func survive(t *testing.T, c transport.Conn, cmd *exec.Cmd, step string) {
	defer c.Close()
	for range 3 {
		b, err := c.(transport.Lender).Lend(50_000)
		if errors.Is(err, transport.ErrNoBlock) {
			break // it is dead already, which shows when an arena is announced
		}
		check(t, err)
		f := b.Give([]byte{0, 0, 0, 0}, 50_000)
		f[0] = byte(len(f))
		_ = c.Send(f) // it may be dead already
	}
	frames := 0
	for {
		f, err := c.Recv()
		if err != nil {
			if err != io.EOF {
				t.Errorf("the end is %v", err)
			}
			break
		}
		frames++
		if f.Len() > 8 {
			b, err := c.(transport.Lender).Borrow(f.Bytes()[4:])
			check(t, err)
			if b.Bytes()[1<<20-1] != 9 {
				t.Error("a block of the dead has another content")
			}
			b.Release()
		}
		f.Release()
	}
	_ = cmd.Wait()
	sent := strings.HasPrefix(step, "committed") || step == "block sent"
	if step != "skipped to the start" && sent != (frames == 1) {
		t.Errorf("%d frames came", frames)
	}
	if err := c.Send(newFrame(8)); err == nil {
		t.Error("the dead take frames")
	}
	b, err := c.(transport.Lender).Lend(50_000)
	if err == nil {
		b.Drop()
	} else if !typed(err) {
		t.Error(err)
	}
}
