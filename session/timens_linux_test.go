// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// Two processes whose clocks are a day apart, as in containers that were moved, notice nothing:
// no reading of a clock travels.
func TestOtherClock(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("no command unshare")
	}
	for _, offset := range []string{"86400", "864000"} {
		in := func(arg ...string) *exec.Cmd {
			return exec.Command(unshare, append([]string{"--time", "--monotonic", offset, "--boottime", offset, "--fork", "--kill-child"}, arg...)...)
		}
		if out, err := in("true").CombinedOutput(); err != nil {
			t.Skipf("no time namespaces here: %v: %s", err, out)
		}
		a := spawn(t, "listen", "tcp://127.0.0.1:0", beat, time.Duration(0))
		d := spawnBy(t, in(os.Args[0]), "dial", a.says("at"), beat, time.Duration(0))
		a.says("up")
		d.says("up")
		for _, p := range []*process{a, d, a} {
			if code := p.calls(); code != status.OK.String() {
				t.Fatal(code)
			}
			<-time.After(2 * beat)
		}
	}
}
