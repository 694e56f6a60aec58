// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socket

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

func frameOf(n int, x byte) []byte {
	p := make([]byte, n)
	binary.LittleEndian.PutUint32(p, uint32(n))
	for i := 4; i < n; i++ {
		p[i] = x
	}
	return p
}

func parseEndpoint(t *testing.T, s string) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

// gramPair returns a connected pair; it is closed with the test.
func gramPair(t *testing.T) (dialled, accepted *packetConn) {
	t.Helper()
	l, err := Packet().Listen(t.Context(), parseEndpoint(t, "unixgram://"+t.TempDir()+"/s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan transport.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	c, err := Packet().Dial(t.Context(), l.Endpoint(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := <-done
	t.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return c.(*packetConn), s.(*packetConn)
}

// TestGramInjection: once connected, the kernel lets nobody else send to either end.
func TestGramInjection(t *testing.T) {
	a, b := gramPair(t)
	for _, c := range []*packetConn{a, b} {
		name := c.nc.LocalAddr().String()
		x, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@plexus-stranger", Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.WriteTo(frameOf(8, 1), &net.UnixAddr{Name: name, Net: "unixgram"})
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("a stranger sends to %s: %v", name, err)
		}
		_ = x.Close()
	}
}

// TestGramEarlyStranger: what a stranger sends before the connection stands is dropped,
// what the peer sends is kept, and a false welcome from another user is ignored.
func TestGramEarlyStranger(t *testing.T) {
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@plexus-early-l", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() { done <- playListener(l) }()
	c, err := Packet().Dial(t.Context(), parseEndpoint(t, "unixgram://@plexus-early-l"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, want := range []byte{1, 3} {
		b, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Bytes(); len(got) != 20 || got[4] != want {
			t.Errorf("got %v, want the peer's frame %d", got, want)
		}
		b.Release()
	}
	if _, err := c.Recv(); err != io.EOF {
		t.Fatal(err)
	}
}

// playListener answers one dialler by hand: a frame of a stranger lies between two of
// the peer, and the peer is gone before the dialler looks.
func playListener(l *net.UnixConn) error {
	p := make([]byte, 100)
	_, from, err := l.ReadFromUnix(p)
	if err != nil {
		return err
	}
	peer, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@plexus-early-p", Net: "unixgram"})
	if err != nil {
		return err
	}
	defer peer.Close()
	for _, s := range []struct {
		from *net.UnixConn
		data []byte
	}{{l, []byte("nonsense")}, {l, frameOf(20, 9)}, {peer, []byte(gramWelcome)}, {peer, frameOf(20, 1)}, {l, frameOf(20, 2)}, {peer, frameOf(20, 3)}, {peer, []byte(gramBye)}} {
		if _, err := s.from.WriteTo(s.data, from); errors.Is(err, unix.EPERM) && s.from == l {
			continue // the dialler was faster, and the kernel refuses strangers now
		} else if err != nil {
			return err
		}
	}
	return nil
}

// TestPackets: a packet that is no run of whole frames is refused; an empty datagram
// means nothing.
func TestPackets(t *testing.T) {
	long := append(frameOf(transport.MaxFrame, 1), 0)
	two := append(frameOf(20, 1), frameOf(30, 2)...)
	for name, packet := range map[string][]byte{
		"short": {1, 2, 3}, "cut": frameOf(20, 1)[:19], "second cut": two[:49], "rest": append(two, 7),
		"long": long, "small length": {7, 0, 0, 0, 0, 0, 0, 0}, "large length": {0, 0, 0, 0x80, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := gramPair(t)
			for _, p := range [][]byte{{}, packet} {
				if _, err := a.nc.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				buf, err := b.Recv()
				if err == nil {
					buf.Release()
					continue
				}
				var fe *transport.FrameError
				if !errors.As(err, &fe) {
					t.Fatalf("%v instead of a *FrameError", err)
				}
				return
			}
			t.Fatal("no error")
		})
	}
}
