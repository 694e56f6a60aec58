// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/plexus-ipc/plexus/transport"
)

// stream is what every Conn over a byte stream has in common. How bytes are read is
// fill's matter.
type stream struct {
	nc     net.Conn
	fill   func() error // reads at least one byte into fr, or fails
	remote string
	local  bool // a kernel that loses nothing in between: a reset is an end
	closed atomic.Bool
	intr   interrupter
	part   func() // told before waiting for the rest of a frame; nil: nobody

	// Owned by the goroutine that receives.
	fr     transport.Framer
	frames int   // received since the last fill
	end    error // what every later Recv returns
}

// Recv implements transport.Conn.
func (s *stream) Recv() (*transport.Buffer, error) { return s.recv(false) }

// RecvBatch implements transport.Batcher.
func (s *stream) RecvBatch() (*transport.Buffer, error) { return s.recv(true) }

func (s *stream) recv(batch bool) (*transport.Buffer, error) {
	for {
		if s.closed.Load() {
			s.fr.Close()
			return nil, recvError(net.ErrClosed, s.remote, s.local, false)
		}
		if s.intr.take(s.nc) {
			return nil, errInterrupted
		}
		if s.end != nil {
			return nil, s.end
		}
		if b, err := s.next(batch); b != nil || err != nil {
			return b, s.fail(err)
		}
		if err := s.fill(); err != nil && !s.intr.expired(s.nc, err) {
			return nil, s.fail(err)
		}
	}
}

// next takes a frame, or all there are, from what was read.
func (s *stream) next(batch bool) (*transport.Buffer, error) {
	if batch {
		b, n, err := s.fr.Batch()
		s.frames += n
		return b, err
	}
	b, err := s.fr.Next()
	if b != nil {
		s.frames++
	}
	return b, err
}

// fail remembers and returns the final error of the receiving side, nil for nil.
func (s *stream) fail(err error) error {
	if err == nil || s.end != nil {
		return s.end
	}
	s.end = recvError(err, s.remote, s.local, s.fr.Partial())
	s.fr.Close()
	return s.end
}

// recvError gives the error of a read the form that transport.Conn promises.
func recvError(err error, remote string, local, partial bool) error {
	var fe *transport.FrameError
	switch {
	case errors.As(err, &fe):
		return fe
	case errors.Is(err, net.ErrClosed):
		err = net.ErrClosed
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF), local && errors.Is(err, syscall.ECONNRESET):
		if partial {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	}
	return &transport.Error{Op: "receive", Endpoint: remote, Err: err}
}

// Send implements transport.Conn.
func (s *stream) Send(p []byte) error {
	if _, err := s.nc.Write(p); err != nil {
		return sendError(err, s.remote)
	}
	return nil
}

func sendError(err error, remote string) error {
	if errors.Is(err, net.ErrClosed) {
		err = net.ErrClosed
	}
	return &transport.Error{Op: "send", Endpoint: remote, Err: err}
}

// Ready implements transport.Readier.
func (s *stream) Ready() bool { return s.end == nil && s.fr.Ready() }

// Interrupt implements transport.Interrupter.
func (s *stream) Interrupt() { s.intr.raise(s.nc) }

// RemoteAddress implements transport.Addresser.
func (s *stream) RemoteAddress() string { return s.remote }

// Close implements transport.Conn.
func (s *stream) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.nc.Close()
}

// PartWaits implements transport.PartWaiter.
func (s *stream) PartWaits(f func()) { s.part = f }

// lull is what precedes waiting: the chunk is given back if it is not needed, and who wants
// to know that a frame is there in part is told. It reports whether the chunk is gone.
func (s *stream) lull() bool {
	part, gone := s.fr.Wait()
	if part && s.part != nil {
		s.part()
	}
	return gone
}

// fillFrom reads through a small array first as long as little is buffered, so that a
// Conn that waits borrows no chunk.
func (s *stream) fillFrom(small []byte) error {
	if !s.lull() {
		n, err := s.nc.Read(s.fr.Space())
		s.fr.Filled(n)
		return dataFirst(n, err)
	}
	n, err := s.nc.Read(small)
	if n > 0 {
		s.fr.Filled(copy(s.fr.Space(), small[:n]))
	}
	return dataFirst(n, err)
}

// dataFirst drops an error that came along with bytes: it comes again without.
func dataFirst(n int, err error) error {
	if n > 0 {
		return nil
	}
	return err
}
