// SPDX-License-Identifier: Apache-2.0

package cable_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/cable"
	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// join returns the ends of a TCP connection over the cable.
func join(t *testing.T, c *cable.Cable) (a, b net.Conn) {
	t.Helper()
	var l net.Listener
	var err error
	c.A.Do(func() { l, err = net.Listen("tcp", netip.AddrPortFrom(c.A.Address, 0).String()) })
	must(t, err)
	defer l.Close()
	c.B.Do(func() { b, err = net.Dial("tcp", l.Addr().String()) })
	must(t, err)
	a, err = l.Accept()
	must(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is sent arrives at the other end of the cable, and nowhere else.
func TestCarries(t *testing.T) {
	c := cable.New(t)
	a, b := join(t, c)
	sent := make([]byte, 1<<20)
	go func() { _, _ = b.Write(sent) }()
	_, err := io.ReadFull(a, make([]byte, len(sent)))
	must(t, err)
	if x, err := net.DialTimeout("tcp", a.LocalAddr().String(), time.Second); err == nil {
		x.Close()
		t.Error("the test's own network reaches the host")
	}
}

// A cut cable says nothing to anybody; mended it goes on.
func TestCutAndMend(t *testing.T) {
	c := cable.New(t)
	a, b := join(t, c)
	c.Cut()
	_, err := b.Write([]byte("x"))
	must(t, err)
	must(t, a.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if c.Lost() == 0 {
		t.Error("nothing was lost")
	}
	c.Mend()
	must(t, a.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = a.Read(make([]byte, 1)) // sent again by the kernel
	must(t, err)
}

// A slow cable is slow in both directions.
func TestDelay(t *testing.T) {
	c := cable.New(t)
	a, b := join(t, c)
	c.Delay(50 * time.Millisecond)
	began := time.Now()
	_, err := b.Write([]byte("x"))
	must(t, err)
	_, err = a.Read(make([]byte, 1))
	must(t, err)
	_, err = a.Write([]byte("y"))
	must(t, err)
	_, err = b.Read(make([]byte, 1))
	must(t, err)
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("there and back in %v", took)
	}
}
