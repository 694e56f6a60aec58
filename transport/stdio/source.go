// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// deadlined is a reader whose Read a deadline ends without loss: a pipe, a socket.
type deadlined interface {
	io.ReadCloser
	SetReadDeadline(t time.Time) error
}

func newSource(r io.ReadCloser) source {
	if d, ok := r.(deadlined); ok && d.SetReadDeadline(time.Time{}) == nil {
		return &direct{r: d}
	}
	return &pump{r: r, bytes: make(chan []byte), taken: make(chan struct{}), woken: make(chan struct{}, 1), done: make(chan struct{})}
}

// direct reads in the receiver's own goroutine.
type direct struct {
	r     deadlined
	small [512]byte

	mu    sync.Mutex
	until time.Time // not zero: after that, what cannot be read at once counts as the end
}

// fill reads through a small array first as long as little is buffered, so that a Conn
// that waits borrows no chunk.
func (d *direct) fill(fr *transport.Framer, lull func() bool) error {
	var n int
	var err error
	if !lull() {
		n, err = d.r.Read(fr.Space())
		fr.Filled(n)
	} else if n, err = d.r.Read(d.small[:]); n > 0 {
		fr.Filled(copy(fr.Space(), d.small[:n]))
	}
	switch {
	case n > 0:
		return nil // an error comes again without bytes
	case errors.Is(err, os.ErrDeadlineExceeded):
		return d.expired()
	default:
		return err
	}
}

// expired tells a wake, after which reading goes on, from the end of patience.
func (d *direct) expired() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.until.IsZero() && !time.Now().Before(d.until) {
		return io.EOF
	}
	d.resetLocked()
	return nil
}

func (d *direct) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resetLocked()
}

func (d *direct) resetLocked() { _ = d.r.SetReadDeadline(d.until) }

func (d *direct) wake() { _ = d.r.SetReadDeadline(time.Unix(1, 0)) }

func (d *direct) stop() error { return d.r.Close() }

// endAfter makes the end of the stream come no later than after a while.
func (d *direct) endAfter(while time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = time.Now().Add(while)
	d.resetLocked()
}

// pump reads in a goroutine of its own, which lends its buffer to the receiver.
type pump struct {
	r     io.ReadCloser
	begin sync.Once
	end   sync.Once
	bytes chan []byte   // what was read; closed after the last
	taken chan struct{} // the buffer may be used again
	woken chan struct{}
	done  chan struct{} // closed by stop
	err   error         // of the last Read; valid once bytes is closed

	left []byte // owned by the receiver: lent bytes that did not fit yet
}

func (p *pump) run() {
	defer close(p.bytes)
	buf := make([]byte, 32<<10)
	for {
		n, err := p.r.Read(buf)
		if n > 0 && !p.lend(buf[:n]) {
			return
		}
		if err != nil {
			p.err = err
			return
		}
	}
}

// lend reports whether the receiver took the bytes.
func (p *pump) lend(b []byte) bool {
	select {
	case p.bytes <- b:
	case <-p.done:
		return false
	}
	select {
	case <-p.taken:
		return true
	case <-p.done:
		return false
	}
}

func (p *pump) fill(fr *transport.Framer, lull func() bool) error {
	p.begin.Do(func() { go p.run() })
	if len(p.left) == 0 {
		lull()
		select {
		case <-p.woken:
			return nil
		case <-p.done:
			return nil
		case b, ok := <-p.bytes:
			if !ok {
				return p.err
			}
			p.left = b
		}
	}
	n := copy(fr.Space(), p.left)
	fr.Filled(n)
	if p.left = p.left[n:]; len(p.left) == 0 {
		p.handBack()
	}
	return nil
}

func (p *pump) handBack() {
	select {
	case p.taken <- struct{}{}:
	case <-p.done:
	}
}

func (p *pump) reset() {
	select {
	case <-p.woken:
	default:
	}
}

func (p *pump) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *pump) stop() error {
	p.end.Do(func() { close(p.done) })
	return p.r.Close()
}
