// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// batch is how many bytes are put before they are sent.
const batch = 64 << 10

// produce answers each request for n messages with as many, coalesced.
func produce(l link, bytes int) {
	message := make([]byte, bytes)
	for {
		_, p, ok := l.next()
		if !ok {
			return
		}
		put := 0
		for range binary.LittleEndian.Uint64(p) {
			l.put(0, message)
			if put += len(message) + header; put > batch-len(message)-header {
				l.flush()
				put = 0
			}
		}
		l.flush()
	}
}

// consume asks for n messages and copies each out, as its user would want.
func consume(l link, n, bytes int) error {
	l.put(0, binary.LittleEndian.AppendUint64(nil, uint64(n)))
	l.flush()
	own := make([]byte, bytes)
	for range n {
		_, p, ok := l.poll()
		if !ok {
			if _, p, ok = l.next(); !ok {
				return errors.New("the floor has gone")
			}
		}
		copy(own, p)
	}
	return nil
}

// overhead is what a published message weighs besides its payload: about what a system
// sends that names sender, topic and order.
const overhead = 40

// peer is one end of a blind relay.
type peer struct {
	c net.Conn
	l link
}

// write sends a chunk.
func (p peer) write(b []byte) error {
	if _, ok := p.l.(attender); ok {
		p.l.put(0, b)
		p.l.flush()
		return nil
	}
	_, err := p.c.Write(b)
	return err
}

// chunks calls f with all that comes.
func (p peer) chunks(f func([]byte)) {
	if _, ok := p.l.(attender); ok {
		for {
			_, b, ok := p.l.next()
			if !ok {
				return
			}
			f(b)
		}
	}
	b := make([]byte, 256<<10)
	for {
		n, err := p.c.Read(b)
		if err != nil {
			return
		}
		f(b[:n])
	}
}

// fan copies what one publishes to all who subscribe.
func fan(from peer, to []peer) {
	from.chunks(func(b []byte) {
		for _, s := range to {
			if s.write(b) != nil {
				return
			}
		}
	})
}

func publish(j lab.Job) (*lab.Publisher, error) {
	c, l, err := connect(j, publisher)
	if err != nil {
		return nil, err
	}
	p := peer{c, l}
	chunk := make([]byte, batch)
	per, put := batch/(j.Bytes+overhead), 0
	flush := func() error {
		put = 0
		return p.write(chunk)
	}
	return &lab.Publisher{
		Publish: func(m []byte) error {
			chunk[0] = m[0]
			copy(chunk[1+put*len(m)%(batch-len(m)-1):], m)
			if put++; put < per {
				return nil
			}
			return flush()
		},
		Flush: flush,
	}, nil
}

func subscribe(j lab.Job, got func(int, byte, int)) error {
	for i := range j.Subscribers {
		c, l, err := connect(j, subscriber)
		if err != nil {
			return err
		}
		go count(peer{c, l}, j, func(kind byte, n int) { got(i, kind, n) })
	}
	return nil // the relay accepts in order: it knows them before the publisher
}

// count looks at the first byte of each chunk and nowhere else.
func count(p peer, j lab.Job, got func(kind byte, n int)) {
	at := 0 // in the chunk
	p.chunks(func(b []byte) {
		for len(b) > 0 {
			if at == 0 {
				got(b[0], batch/(j.Bytes+overhead))
			}
			n := min(len(b), batch-at)
			b, at = b[n:], (at+n)%batch
		}
	})
}
