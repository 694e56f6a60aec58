// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus"
)

// TestWithoutSharedMemory: a process that may not have any talks over the socket, to a server
// that would share, and the log says why.
func TestWithoutSharedMemory(t *testing.T) {
	if address := os.Getenv(childRole); address != "" {
		poor(t, address)
		return
	}
	srv, err := plexus.Listen(strings.Replace(path(t), "unix:", "shm:", 1), nil)
	must(t, err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "add", add)
	must(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=TestWithoutSharedMemory$", "-test.v")
	cmd.Env = append(os.Environ(), childRole+"="+srv.Endpoints()[0])
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "upgrade not made") || !strings.Contains(string(out), "RLIMIT_FSIZE") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// poor is the child.
func poor(t *testing.T, address string) {
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}))
	c, err := plexus.Dial(t.Context(), address, &plexus.DialOptions{Log: slog.New(slog.NewTextHandler(os.Stdout, nil))})
	must(t, err)
	defer c.Close()
	sum, err := plexus.Call[Sum](t.Context(), c, "add", Add{20, 22})
	must(t, err)
	if sum.Sum != 42 {
		t.Fatal(sum)
	}
}
