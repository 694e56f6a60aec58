// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/status"
)

// instruction is one of a filter for system calls (struct sock_filter).
type instruction struct {
	code  uint16
	jt, _ uint8
	k     uint32
}

// What a filter is made of, from linux/prctl.h, linux/seccomp.h and linux/bpf_common.h.
const (
	prSetNoNewPrivs, prSetSeccomp, modeFilter = 38, 22, 2
	loadWord, jumpEqual, giveBack             = 0x20, 0x15, 0x06
	answerErrno, answerAllow                  = 0x00050000, 0x7fff0000
)

// failing runs f on a thread of its own on which system calls fail with EIO: the kernel says so,
// whatever the disk would. The thread ends with f.
func failing(t *testing.T, calls []uintptr, f func()) {
	t.Helper()
	filter := []instruction{{code: loadWord}} // the number of the call
	for i, nr := range calls {
		filter = append(filter, instruction{code: jumpEqual, jt: uint8(len(calls) - i), k: uint32(nr)})
	}
	filter = append(filter, instruction{code: giveBack, k: answerAllow}, instruction{code: giveBack, k: answerErrno | uint32(syscall.EIO)})
	program := struct {
		n      uint16
		filter *instruction
	}{uint16(len(filter)), &filter[0]}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		_, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0)
		if e == 0 {
			_, _, e = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetSeccomp, modeFilter, uintptr(unsafe.Pointer(&program)), 0, 0, 0)
		}
		if e != 0 {
			done <- e
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
}

var (
	writes  = []uintptr{syscall.SYS_PWRITE64}
	flushes = []uintptr{syscall.SYS_FDATASYNC, syscall.SYS_FSYNC}
	renames = []uintptr{syscall.SYS_RENAMEAT}
)

// While the disk fails nothing is said to be kept, and what was before can be read as far as the
// file can be trusted; when the disk is well again all of it is there, and the store goes on.
func TestDiskErrors(t *testing.T) {
	for _, c := range []struct {
		what  string
		calls []uintptr
	}{{"write", writes}, {"flush", flushes}, {"flush and rename", append(flushes[:2:2], renames...)}} {
		t.Run(c.what, func(t *testing.T) {
			var now atomic.Int64
			now.Store(time.Now().UnixNano())
			s := open(t, filepath.Join(t.TempDir(), "d"), &Options{Now: func() time.Time { return time.Unix(0, now.Load()) }})
			fill(t, s, 0, 10, 3000)
			failing(t, c.calls, func() {
				for range 3 {
					err := s.Append([]*deadletter.Record{letter(1, 100)})
					if !errors.Is(err, status.Unavailable) {
						t.Errorf("got %v", err)
					}
				}
			})
			if r := s.Report(); r.Failed == "" || !strings.Contains(r.Failed, syscall.EIO.Error()) {
				t.Errorf("%+v", r)
			}
			now.Add(int64(maxPause))
			fill(t, s, 10, 20, 3000)
			got := ids(t, s)
			if len(got) < 20 || fmt.Sprint(got[:10]) != "[1 2 3 4 5 6 7 8 9 10]" {
				t.Errorf("%d letters: %v", len(got), got)
			}
			if r := s.Report(); r.Failed != "" || r.Quarantined != 0 || r.Records != len(got) {
				t.Errorf("%+v", r)
			}
			if what, _, err := inspect(s.path); what != "" || err != nil {
				t.Error(what, err)
			}
		})
	}
}

// A damaged file that cannot be put aside fails Open, and is not touched.
func TestRenameFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	s := open(t, path, nil)
	fill(t, s, 0, 10, 100)
	s.Close()
	b, err := os.ReadFile(path)
	if err == nil {
		b[40] ^= 1
		b[os.Getpagesize()+40] ^= 1
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	failing(t, renames, func() {
		if s, err := Open(path, nil); !errors.Is(err, status.Unavailable) {
			t.Errorf("%v, %v", s, err)
		}
	})
	if got := ids(t, open(t, path, nil)); len(got) != 10 {
		t.Error(got)
	}
}
