// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"io"
	"net"
	"syscall"

	"github.com/plexus-ipc/plexus/internal/patience"
)

// rawStream is a stream whose reads and writes go to the descriptor itself: reads in
// order to hold no chunk while waiting, writes in order to try without blocking. The two
// functions that the runtime calls back are bound once: nothing is allocated later.
//
// This is the hot path of the package.
type rawStream struct {
	stream
	raw syscall.RawConn

	// Owned by the goroutine that receives.
	onRead  func(fd uintptr) bool
	readErr error
	wait    patience.Patience
	polls   int // what is left of them before the next wait

	// Owned by the goroutine that sends.
	onWrite  func(fd uintptr) bool
	out      []byte
	outN     int
	writeErr error
}

func newRawStream(nc net.Conn, raw syscall.RawConn, remote string, local bool) *rawStream {
	s := &rawStream{raw: raw}
	s.nc, s.remote, s.local = nc, remote, local
	s.fill = s.read
	s.onRead, s.onWrite = s.tryRead, s.tryWrite
	return s
}

func (s *rawStream) read() error {
	s.polls = s.wait.Polls(s.frames)
	s.frames = 0
	if err := s.raw.Read(s.onRead); err != nil {
		return err
	}
	return s.readErr
}

// tryRead reads once without blocking; false makes the runtime wait and call again.
func (s *rawStream) tryRead(fd uintptr) bool {
	n, err := readOnce(int(fd), s.fr.Space())
	if err == syscall.EAGAIN && s.polls > 0 && s.wait.Begin() { //nolint:errorlint // a bare errno, on the hot path
		n, err = s.poll(int(fd))
	}
	if err == syscall.EAGAIN { //nolint:errorlint // as above
		s.lull()
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	s.fr.Filled(max(n, 0))
	s.readErr = err
	return true
}

// poll reads again and again for a moment and lets the peer have the processor in between.
func (s *rawStream) poll(fd int) (n int, err error) {
	p := s.fr.Space()
	for err = syscall.EAGAIN; s.polls > 0 && err == syscall.EAGAIN; s.polls-- { //nolint:errorlint // as above
		patience.Yield()
		n, err = readOnce(fd, p)
	}
	s.polls = 0
	s.wait.Done(err != syscall.EAGAIN) //nolint:errorlint // as above
	return n, err
}

// Crowd implements transport.Crowder.
func (s *rawStream) Crowd(f func() bool) { s.wait.Crowd = f }

// readOnce returns a nil interface, never a zero Errno.
func readOnce(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// TrySend implements transport.TrySender.
func (s *rawStream) TrySend(p []byte) (int, error) {
	s.out, s.outN, s.writeErr = p, 0, nil
	err := s.raw.Write(s.onWrite)
	s.out = nil
	if err == nil {
		err = s.writeErr
	}
	if err != nil {
		return s.outN, sendError(err, s.remote)
	}
	return s.outN, nil
}

// tryWrite writes what fits now. It never asks the runtime to wait.
func (s *rawStream) tryWrite(fd uintptr) bool {
	for s.outN < len(s.out) {
		n, err := syscall.Write(int(fd), s.out[s.outN:])
		switch err {
		case nil:
			s.outN += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			s.writeErr = err
			return true
		}
	}
	return true
}
