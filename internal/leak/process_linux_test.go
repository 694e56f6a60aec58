// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestDescriptor(t *testing.T) {
	var l net.Listener
	wantLeak(t, func() {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}, "descriptor", "socket:[")
	l.Close()
}

// TestDescriptorUsedAgain: the number is an old one, what it leads to is not.
func TestDescriptorUsedAgain(t *testing.T) {
	old, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	var other *os.File
	wantLeak(t, func() {
		old.Close()
		if other, err = os.Open(os.Args[0]); err != nil {
			t.Fatal(err)
		}
	}, "descriptor", ".test")
	other.Close()
}

func TestMapping(t *testing.T) {
	f, err := os.CreateTemp("/dev/shm", "plexus-leak")
	if err != nil {
		t.Skip("no shared memory here: ", err)
	}
	defer f.Close()
	os.Remove(f.Name())
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	var memory []byte
	wantLeak(t, func() {
		if memory, err = syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
			t.Fatal(err)
		}
	}, "mapping", "/dev/shm/plexus-leak")
	if err := syscall.Munmap(memory); err != nil {
		t.Fatal(err)
	}
}

func TestMappingsOf(t *testing.T) {
	s := snapshot{}
	addMappingsOf(s, `55d0c0a00000-55d0c0a01000 r--p 00000000 08:01 42 /work/plexus/plexus.test
7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /memfd:plexus-ring (deleted)
7f0000002000-7f0000003000 rw-s 00000000 00:01 8 /memfd:other (deleted)
7f0000004000-7f0000005000 rw-s 00000000 00:19 9 /dev/shm/plexus-arena
`)
	if len(s) != 2 {
		t.Errorf("%d mappings, want 2:\n%s", len(s), report(s))
	}
}

// TestSpliceIsNoLeak: a copy from socket to socket leaves pipes in a pool of the standard library.
func TestSpliceIsNoLeak(t *testing.T) {
	Check(t)
	from, to := pair(t), pair(t)
	go func() {
		from[0].Write(make([]byte, 1<<16))
		from[0].Close()
	}()
	go func() {
		io.Copy(to[0], from[1])
		to[0].Close()
	}()
	if n, err := io.Copy(io.Discard, to[1]); n != 1<<16 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	from[1].Close()
	to[1].Close()
}

// pair gives the two ends of a TCP connection.
func pair(t *testing.T) [2]net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return [2]net.Conn{dialled, accepted}
}
