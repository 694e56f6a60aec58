// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"encoding/binary"
	"io"
	"net"
)

// header is length and number of a frame.
const header = 8

// large is the payload from which on a socket's frame is written and read without another
// copy.
const large = 16 << 10

// socket is a link over a byte stream. What fails ends the process's work: the run is over.
type socket struct {
	c    net.Conn
	out  []byte
	in   []byte
	r, w int
	big  []byte
}

func newSocket(c net.Conn) *socket {
	return &socket{c: c, out: make([]byte, 0, 64<<10), in: make([]byte, 64<<10)}
}

func (s *socket) put(id uint32, p []byte) {
	s.out = binary.LittleEndian.AppendUint32(s.out, uint32(len(p)))
	s.out = binary.LittleEndian.AppendUint32(s.out, id)
	if len(p) >= large {
		b := net.Buffers{s.out, p}
		_, _ = b.WriteTo(s.c)
		s.out = s.out[:0]
		return
	}
	s.out = append(s.out, p...)
}

func (s *socket) flush() {
	if len(s.out) > 0 {
		_, _ = s.c.Write(s.out)
		s.out = s.out[:0]
	}
}

func (s *socket) poll() (uint32, []byte, bool) {
	if s.w-s.r < header {
		return 0, nil, false
	}
	n := int(binary.LittleEndian.Uint32(s.in[s.r:]))
	if n > len(s.in)-header || s.w-s.r < header+n {
		return 0, nil, false
	}
	id := binary.LittleEndian.Uint32(s.in[s.r+4:])
	p := s.in[s.r+header : s.r+header+n]
	s.r += header + n
	return id, p, true
}

func (s *socket) next() (uint32, []byte, bool) {
	for {
		if id, p, ok := s.poll(); ok {
			return id, p, true
		}
		if s.w-s.r >= header {
			if n := int(binary.LittleEndian.Uint32(s.in[s.r:])); n > len(s.in)-header {
				return s.bulky(n)
			}
		}
		s.w = copy(s.in, s.in[s.r:s.w])
		s.r = 0
		n, err := s.c.Read(s.in[s.w:])
		if err != nil {
			return 0, nil, false
		}
		s.w += n
	}
}

// bulky reads a frame that does not fit into the buffer straight to where it belongs.
func (s *socket) bulky(n int) (uint32, []byte, bool) {
	id := binary.LittleEndian.Uint32(s.in[s.r+4:])
	if cap(s.big) < n {
		s.big = make([]byte, n)
	}
	p := s.big[:n]
	k := copy(p, s.in[s.r+header:s.w])
	s.r, s.w = 0, 0
	_, err := io.ReadFull(s.c, p[k:])
	return id, p, err == nil
}
