// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"

	"github.com/plexus-ipc/plexus/transport"
)

// packets cuts received packets into frames. It is to packets what transport.Framer is
// to a byte stream: frames are views of a pooled chunk, which is given back before
// waiting. A packet holds whole frames or it is refused.
type packets struct {
	chunk *transport.Buffer
	r, w  int // unread bytes of the current packet are chunk[r:w]
}

// packetRoom is one byte more than a packet may have, to tell a longer one.
const packetRoom = transport.MaxFrame + 1

// space returns where to read the next packet into. All of the one before must have been
// taken out.
func (p *packets) space() []byte {
	if p.chunk != nil && p.chunk.Len()-p.w < packetRoom {
		p.idle()
	}
	if p.chunk == nil {
		p.chunk, p.r, p.w = transport.NewBuffer(transport.ChunkSize), 0, 0
	}
	return p.chunk.Bytes()[p.w : p.w+packetRoom]
}

// filled says that a packet of n bytes was read into space.
func (p *packets) filled(n int) { p.w += n }

// next returns the next frame of the packet, nil if there is none.
func (p *packets) next() (*transport.Buffer, error) {
	if p.r == p.w {
		return nil, nil
	}
	rest := p.chunk.Bytes()[p.r:p.w]
	n := int64(len(rest))
	if n >= transport.MinFrame {
		n = int64(binary.LittleEndian.Uint32(rest))
	}
	if n < transport.MinFrame || n > transport.MaxFrame || n > int64(len(rest)) {
		return nil, &transport.FrameError{Length: n, Limit: transport.MaxFrame, Head: append([]byte(nil), rest[:min(len(rest), 64)]...)}
	}
	v := p.chunk.View(p.r, p.r+int(n))
	p.r += int(n)
	return v, nil
}

// ready reports whether next returns a frame or an error.
func (p *packets) ready() bool { return p.r < p.w }

// idle gives the chunk back; nothing may be unread.
func (p *packets) idle() {
	if p.chunk != nil {
		p.chunk.Release()
		p.chunk, p.r, p.w = nil, 0, 0
	}
}

// close drops what is unread.
func (p *packets) close() { p.idle() }
