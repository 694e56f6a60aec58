// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"net"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// batchPlain is how much one write carries: two full records.
const batchPlain = 2 * maxPlain

// sender is owned by who has the turn.
type sender struct {
	batch   *transport.Buffer // of ciphertext, nil while there is none
	pending []byte            // what of it has not been written
	owed    int               // plaintext that it holds and that the caller was not told is taken
	broken  error             // why nothing more can be sent
}

// Send implements transport.Conn.
func (c *conn) Send(p []byte) error {
	if err := c.takeTurn(); err != nil {
		return c.failed("send", err)
	}
	defer c.giveTurn()
	for len(c.pending) > 0 || len(p) > 0 {
		if len(c.pending) == 0 {
			if err := c.encrypt(p); err != nil {
				return c.broke(err)
			}
		}
		if _, err := c.nc.Write(c.pending); err != nil {
			return c.broke(err)
		}
		p = p[c.owed:]
		c.written()
	}
	return nil
}

// takeTurn waits for the handshake and has the caller be the sender.
func (c *conn) takeTurn() error {
	if err := c.established(); err != nil {
		return err
	}
	if !c.turn.CompareAndSwap(turnFree, turnTaken) || c.closed.Load() {
		return net.ErrClosed
	}
	if c.broken != nil {
		c.turn.Store(turnFree)
		return c.broken
	}
	return nil
}

func (c *conn) giveTurn() { c.turn.Store(turnFree) }

// encrypt makes the records of the beginning of p, whose length it notes as owed.
func (c *conn) encrypt(p []byte) (err error) {
	p = p[:min(len(p), batchPlain)]
	records := (len(p) + maxPlain - 1) / maxPlain
	c.batch, c.owed = transport.NewBuffer(len(p)+records*overhead), len(p)
	out := c.batch.Bytes()[:0]
	for len(p) > 0 && err == nil {
		n := min(len(p), maxPlain)
		out, err = c.out.seal(out, p[:n])
		p = p[n:]
	}
	c.pending = out
	return err
}

// written says that nothing is pending any more.
func (c *conn) written() {
	c.batch.Release()
	c.batch, c.pending, c.owed = nil, nil, 0
}

func (c *conn) broke(err error) error {
	c.broken = c.failed("send", err)
	if c.batch != nil {
		c.written()
	}
	return c.broken
}

// goodbye tells the peer that the end is meant. With something pending the end is none.
func (c *conn) goodbye() {
	if c.batch != nil || c.broken != nil {
		if c.batch != nil {
			c.written()
		}
		return
	}
	var record [overhead]byte
	if p, err := c.out.seal(record[:0], nil); err == nil {
		_ = c.nc.SetWriteDeadline(time.Now().Add(closeGrace))
		_, _ = c.nc.Write(p) // that the peer could not be told is no failure
	}
}
