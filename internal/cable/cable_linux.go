// SPDX-License-Identifier: Apache-2.0

package cable

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Cable joins two hosts. Its methods are safe for concurrent use.
type Cable struct {
	// A and B are the hosts at its ends.
	A, B *Host

	mu    sync.Mutex
	lose  func(packet []byte) bool // nil: none
	delay time.Duration
	lost  int
	wg    sync.WaitGroup
	done  chan struct{}
}

// Host is one end: a network of its own, which has only the cable.
type Host struct {
	// Address is its address, which the other reaches.
	Address netip.Addr

	do  chan func()
	tun *os.File
}

// New returns a Cable that is taken down at the end of the test. The test is skipped if this
// process may not have one.
func New(t testing.TB) *Cable {
	t.Helper()
	c := &Cable{done: make(chan struct{})}
	for i, h := range []**Host{&c.A, &c.B} {
		host, err := newHost(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}))
		if err != nil {
			if c.A != nil {
				c.A.close()
			}
			if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("no network namespaces here: %v", err)
			}
			t.Fatal(err)
		}
		*h = host
	}
	c.wg.Go(func() { c.carry(c.A, c.B) })
	c.wg.Go(func() { c.carry(c.B, c.A) })
	t.Cleanup(func() {
		close(c.done)
		c.A.close()
		c.B.close()
		c.wg.Wait()
	})
	return c
}

// Do runs f in the network of the host: what it binds or dials there stays there.
func (h *Host) Do(f func()) {
	over := make(chan struct{})
	h.do <- func() {
		defer close(over)
		f()
	}
	<-over
}

// Cut loses all packets from now on, in both directions.
func (c *Cable) Cut() { c.Lose(func([]byte) bool { return true }) }

// Mend ends Cut and Lose.
func (c *Cable) Mend() { c.Lose(nil) }

// Lose loses the IP packets that f chooses; nil is none. f is called one at a time.
func (c *Cable) Lose(f func(packet []byte) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose = f
}

// Delay is how long each further packet takes, at least, in each direction.
func (c *Cable) Delay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

// Lost returns how many packets were lost.
func (c *Cable) Lost() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// fate says what becomes of a packet, and counts it.
func (c *Cable) fate(p []byte) (lost bool, due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lose != nil && c.lose(p) {
		c.lost++
		return true, due
	}
	return false, time.Now().Add(c.delay)
}

// packet is one that is under way.
type packet struct {
	b   []byte
	due time.Time
}

// window is how many packets may be under way in one direction; more wait in the kernel.
const window = 4096

// carry passes packets on, in order, until the cable is taken down.
func (c *Cable) carry(from, to *Host) {
	way := make(chan packet, window)
	c.wg.Go(func() {
		for p := range way {
			if !c.wait(time.Until(p.due)) {
				continue
			}
			_, _ = to.tun.Write(p.b) // a full queue loses it, as cables do
		}
	})
	defer close(way)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.tun.Read(buf)
		if err != nil {
			return
		}
		if lost, due := c.fate(buf[:n]); !lost {
			way <- packet{append([]byte(nil), buf[:n]...), due}
		}
	}
}

// wait returns after d, false if the cable is taken down before.
func (c *Cable) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.done:
		return false
	}
}

// newHost makes a network namespace, and a thread that lives in it. The thread is never used
// for anything else: it ends with the goroutine that is locked to it.
func newHost(address netip.Addr) (*Host, error) {
	h := &Host{Address: address, do: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := h.build()
		made <- err
		if err != nil {
			return
		}
		for f := range h.do {
			f()
		}
	}()
	return h, <-made
}

// build makes the namespace for this thread and the host's end of the cable.
func (h *Host) build() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	if err := h.configure(fd); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	h.tun = os.NewFile(uintptr(fd), "tun")
	return nil
}

// device is the host's end of the cable.
const device = "plexus0"

// configure gives the device its address and switches it on.
func (h *Host) configure(tun int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }()
	ip := h.Address.As4()
	for _, step := range []struct {
		name  string
		dev   string
		fd    int
		op    uint
		addr  []byte
		flags uint16
	}{
		{"TUNSETIFF", device, tun, unix.TUNSETIFF, nil, unix.IFF_TUN | unix.IFF_NO_PI},
		{"address", device, s, unix.SIOCSIFADDR, ip[:], 0},
		{"netmask", device, s, unix.SIOCSIFNETMASK, []byte{255, 255, 255, 0}, 0},
		{"up", device, s, unix.SIOCSIFFLAGS, nil, unix.IFF_UP},
		{"loopback up", "lo", s, unix.SIOCSIFFLAGS, nil, unix.IFF_UP}, // a host reaches itself by it
	} {
		r, err := unix.NewIfreq(step.dev)
		if err != nil {
			return err
		}
		if step.addr != nil {
			err = r.SetInet4Addr(step.addr)
		} else {
			r.SetUint16(step.flags)
		}
		if err == nil {
			err = unix.IoctlIfreq(step.fd, step.op, r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (h *Host) close() {
	close(h.do)
	_ = h.tun.Close()
}
