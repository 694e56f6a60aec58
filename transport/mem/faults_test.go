// SPDX-License-Identifier: Apache-2.0

package mem_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// numbered returns a frame of n bytes that carries a number.
func numbered(n, number int) []byte {
	p := binary.LittleEndian.AppendUint32(nil, uint32(n))
	p = binary.LittleEndian.AppendUint32(p, uint32(number))
	return append(p, make([]byte, n-8)...)
}

// numbers receives until the end and returns what came.
func numbers(c transport.Conn) (got []int, err error) {
	for {
		b, err := c.Recv()
		if err != nil {
			return got, err
		}
		got = append(got, int(binary.LittleEndian.Uint32(b.Bytes()[4:])))
		b.Release()
	}
}

// play sends n frames of 16 bytes under faults, closes, and returns what arrives.
func play(t *testing.T, f mem.Faults, n int) ([]int, error) {
	t.Helper()
	a, b := mem.Pipe()
	a.SetFaults(f)
	for i := range n {
		if err := a.Send(numbered(16, i)); err != nil {
			break
		}
	}
	_ = a.Close()
	defer b.Close()
	return numbers(b)
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults mem.Faults
		want   []int
		end    error
	}{
		{"none", mem.Faults{}, []int{0, 1, 2, 3, 4}, io.EOF},
		{"lose", mem.Faults{Lose: mem.Only(0, 3)}, []int{1, 2, 4}, io.EOF},
		{"duplicate", mem.Faults{Duplicate: mem.Only(1, 4)}, []int{0, 1, 1, 2, 3, 4, 4}, io.EOF},
		{"cut frames", mem.Faults{CutFrames: 2}, []int{0, 1}, io.EOF},
		{"cut bytes between frames", mem.Faults{CutBytes: 48}, []int{0, 1, 2}, io.EOF},
		{"cut bytes in a frame", mem.Faults{CutBytes: 40}, []int{0, 1}, io.ErrUnexpectedEOF},
		{"cut bytes in a length", mem.Faults{CutBytes: 33}, []int{0, 1}, io.ErrUnexpectedEOF},
		{"lose then cut", mem.Faults{Lose: mem.Only(0), CutFrames: 3}, []int{1, 2}, io.EOF},
		{"lose all", mem.Faults{Lose: mem.Some(1, 1)}, nil, io.EOF},
		{"lose none", mem.Faults{Lose: mem.Some(1, 0)}, []int{0, 1, 2, 3, 4}, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := play(t, c.faults, 5)
			if !slices.Equal(got, c.want) || err != c.end {
				t.Errorf("%v, %v instead of %v, %v", got, err, c.want, c.end)
			}
		})
	}
}

func TestSome(t *testing.T) {
	hits := func(seed uint64) (n int) {
		f := mem.Some(seed, 0.25)
		for i := range uint64(10000) {
			if f(i) {
				n++
			}
		}
		return n
	}
	if n := hits(1); n < 2300 || n > 2700 || n != hits(1) {
		t.Errorf("a quarter of 10000 is %d, then %d", n, hits(1))
	}
	if hits(1) == hits(2) && hits(2) == hits(3) {
		t.Error("the seed does nothing")
	}
}

func TestCorrupt(t *testing.T) {
	a, b := mem.Pipe()
	a.SetFaults(mem.Faults{Corrupt: mem.Only(1)})
	for i := range 2 {
		check(t, a.Send(numbered(64, i)))
		got, err := b.Recv()
		check(t, err)
		if same := string(got.Bytes()) == string(numbered(64, i)); same != (i == 0) {
			t.Errorf("frame %d: same %v", i, same)
		}
		got.Release()
	}
	_, _ = a.Close(), b.Close()
}

// TestDelay: frames come later by exactly the delay, in order, also when it changes; the
// end comes after them.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		defer b.Close()
		start := time.Now()
		a.SetFaults(mem.Faults{Delay: 100 * time.Millisecond})
		check(t, a.Send(numbered(16, 0)))
		a.SetFaults(mem.Faults{Delay: 10 * time.Millisecond})
		check(t, a.Send(numbered(16, 1)))
		check(t, a.Close())
		if b.Ready() {
			t.Error("Ready before the time")
		}
		for i := range 2 {
			got, err := b.Recv()
			check(t, err)
			if n := binary.LittleEndian.Uint32(got.Bytes()[4:]); int(n) != i || time.Since(start) != 100*time.Millisecond {
				t.Errorf("frame %d after %v", n, time.Since(start))
			}
			got.Release()
			if i == 0 && !b.Ready() {
				t.Error("not Ready when it is time")
			}
		}
		if _, err := b.Recv(); err != io.EOF {
			t.Error(err)
		}
	})
}

// TestStall: nothing arrives, not even the end, until it is lifted; the sender waits when
// the line is full.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		a.SetFaults(mem.Faults{Stall: true, Capacity: transport.MaxFrame})
		sent, received := make(chan error, 1), make(chan string, 1)
		go func() { sent <- errors.Join(a.Send(large(3)), a.Close()) }()
		go func() {
			got, err := numbers(b)
			received <- fmt.Sprint(got, err)
		}()
		synctest.Wait()
		select {
		case err := <-sent:
			t.Error("Send does not wait:", err)
		case got := <-received:
			t.Error("something arrives:", got)
		default:
		}
		a.SetFaults(mem.Faults{})
		check(t, <-sent)
		if got := <-received; got != "[0 1 2] EOF" {
			t.Error(got)
		}
		check(t, b.Close())
	})
}

// large returns n frames of 60 KiB.
func large(n int) (p []byte) {
	for i := range n {
		p = append(p, numbered(60<<10, i)...)
	}
	return p
}

// TestCut: both ends receive what is under way, then the end, and cannot send.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		check(t, a.Send(numbered(16, 7)))
		_, err := a.TrySend(numbered(16, 8)[:10])
		check(t, err)
		pending := make(chan error, 1)
		go func() { _, err := a.Recv(); pending <- err }()
		synctest.Wait()
		b.Cut()
		if err := <-pending; err != io.EOF {
			t.Error(err)
		}
		if got, err := numbers(b); len(got) != 1 || err != io.ErrUnexpectedEOF {
			t.Error(got, err)
		}
		for _, c := range []*mem.Conn{a, b} {
			if err := c.Send(numbered(16, 9)); !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
			check(t, c.Close())
			if err := c.Send(numbered(16, 9)); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
	})
}

// TestCapacity: what does not fit is not taken.
func TestCapacity(t *testing.T) {
	a, b := mem.Pipe()
	a.SetFaults(mem.Faults{Capacity: 1}) // is raised to one frame
	n, err := a.TrySend(large(2))
	if check(t, err); n != transport.MaxFrame {
		t.Errorf("TrySend took %d bytes", n)
	}
	_, _ = a.Close(), b.Close()
}

// TestOnDial: a test reaches both ends of a connection that others make.
func TestOnDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := mem.New()
		tr.OnDial(func(d, l *mem.Conn) {
			d.SetFaults(mem.Faults{Delay: time.Second})
			l.SetFaults(mem.Faults{Delay: 2 * time.Second})
		})
		l, err := tr.Listen(t.Context(), parse(t, "mem://x"), nil)
		check(t, err)
		defer l.Close()
		c, err := tr.Dial(t.Context(), l.Endpoint(), nil)
		check(t, err)
		s, err := l.Accept()
		check(t, err)
		start := time.Now()
		for _, way := range [][2]transport.Conn{{c, s}, {s, c}} {
			check(t, way[0].Send(numbered(8, 0)))
			b, err := way[1].Recv()
			check(t, err)
			b.Release()
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("there and back takes %v", d)
		}
		_, _ = c.Close(), s.Close()
	})
}

// TestBacklog: Dial waits for room, until the context or the listener ends; who waits for
// Accept when the listener closes sees the end.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := mem.New()
		l, err := tr.Listen(t.Context(), parse(t, "mem://x"), nil)
		check(t, err)
		var all []transport.Conn
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			c, err := tr.Dial(ctx, l.Endpoint(), nil)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			check(t, err)
			all = append(all, c)
		}
		late := make(chan error, 1)
		go func() { _, err := tr.Dial(t.Context(), l.Endpoint(), nil); late <- err }()
		synctest.Wait()
		check(t, l.Close())
		if err := <-late; err != nil && !errors.Is(err, transport.ErrNobody) {
			t.Error(err)
		}
		for _, c := range all {
			if _, err := c.Recv(); err != io.EOF {
				t.Error(err)
			}
			check(t, c.Close())
		}
	})
}

// TestNameSpaces: two Transports do not see each other.
func TestNameSpaces(t *testing.T) {
	l, err := mem.New().Listen(t.Context(), parse(t, "mem://x"), nil)
	check(t, err)
	defer l.Close()
	if _, err := mem.New().Dial(t.Context(), l.Endpoint(), nil); !errors.Is(err, transport.ErrNobody) {
		t.Error(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
