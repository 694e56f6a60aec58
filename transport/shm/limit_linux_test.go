// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// limits are set by children that then offer an upgrade: it comes to nothing, with a
// reason, and the socket goes on.
var limits = map[string]func() error{
	"memory":      func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100 << 10, Max: 100 << 10}) },
	"descriptors": func() error { return exhaust(0) },
	"one left":    func() error { return exhaust(1) },
	"seccomp":     forbid,
}

// forbid has the kernel refuse memfd_create, as a container may.
func forbid() error {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: equal, Jf: 1, K: unix.SYS_MEMFD_CREATE},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// exhaust opens files until only a few descriptors are left.
func exhaust(left int) error {
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 50, Max: 50})
	var all []*os.File
	for err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			all = append(all, f)
		}
	}
	for range left {
		all[len(all)-1].Close()
		all = all[:len(all)-1]
	}
	runtime.KeepAlive(all)
	held = all
	if errors.Is(err, unix.EMFILE) {
		return nil
	}
	return err
}

var held []*os.File

// limited offers an upgrade under a limit, and echoes over the socket if there is none.
func limited(c transport.Conn) error {
	if err := limits[os.Getenv(stepEnv)](); err != nil {
		return err
	}
	upgraded, err := offerUpgrade(c)
	if err == nil {
		upgraded.Close()
		return errors.New("the upgrade was made in spite of the limit")
	}
	if err != errRefused { // the offer failed: a session would say so in its frame
		if err := c.Send(refused); err != nil {
			return err
		}
	}
	return echo(c)
}

// TestLimits: a lack of memory or descriptors leaves a connection on the socket.
func TestLimits(t *testing.T) {
	for name := range limits {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			t.Setenv(stepEnv, name)
			c, cmd := start(t, "limited", nil)
			defer c.Close()
			b, err := c.Recv()
			check(t, err)
			first := b.Bytes()[4]
			b.Release()
			if first == offered[4] {
				_, _, err := c.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
				if err == nil || !strings.Contains(err.Error(), "descriptor") {
					t.Fatal(err)
				}
				check(t, c.Send(refused))
			}
			check(t, c.Send(newFrame(1000)))
			b, err = c.Recv()
			check(t, err)
			b.Release()
			check(t, c.Close())
			check(t, cmd.Wait())
		})
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	over := time.After(20 * time.Second)
	for !f() {
		select {
		case <-over:
			t.Fatal("it takes too long until ", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func arenas(t *testing.T) int {
	maps, err := os.ReadFile("/proc/self/maps")
	check(t, err)
	return bytes.Count(maps, []byte("memfd:plexus-arena"))
}

// TestArenasGo: memory for blocks comes on demand and goes when it has not been used for a
// while, also at the other end; then it comes again.
func TestArenasGo(t *testing.T) {
	leak.Check(t)
	a, b := pair(t, lifeOptions)
	defer func() { _, _ = a.Close(), b.Close() }()
	if n := arenas(t); n != 0 {
		t.Fatalf("%d arenas before the first block", n)
	}
	for range 3 {
		block, err := a.(transport.Lender).Lend(100_000)
		check(t, err)
		f := block.Give([]byte{28, 0, 0, 0}, 100_000)
		check(t, a.Send(f))
		got, err := b.Recv()
		check(t, err)
		k, err := b.(transport.Lender).Borrow(got.Bytes()[4:])
		check(t, err)
		got.Release()
		if n := arenas(t); n != 2 {
			t.Fatalf("%d arenas at both ends", n)
		}
		k.Release()
		eventually(t, "the lender drops its arena", func() bool { return arenas(t) < 2 })
		b.(transport.Interrupter).Interrupt()
		_, _ = b.Recv()
		done := make(chan error, 1)
		go func() { _, err := b.Recv(); done <- err }()
		eventually(t, "the borrower drops it", func() bool { return arenas(t) == 0 })
		b.(transport.Interrupter).Interrupt()
		if err := <-done; err != transport.ErrInterrupted {
			t.Fatal(err)
		}
	}
}

// TestSleeps: who waits for nothing sleeps soon, and after waits in vain mostly at once.
func TestSleeps(t *testing.T) {
	leak.Check(t)
	a, b := pair(t, nil)
	defer func() { _, _ = a.Close(), b.Close() }()
	for i := range 20 {
		done := make(chan error, 1)
		go func() {
			f, err := b.Recv()
			if err == nil {
				f.Release()
			}
			done <- err
		}()
		eventually(t, fmt.Sprint("sleep ", i), func() bool { return shm.Parked(b) })
		check(t, a.Send(newFrame(64)))
		check(t, <-done)
	}
	if n := shm.Misses(b); n < 10 {
		t.Errorf("%d waits in vain were counted", n)
	}
}
