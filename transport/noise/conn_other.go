// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package noise

import "github.com/plexus-ipc/plexus/transport"

// below reads through a small array first as long as nothing is there, so that a Conn that
// waits holds no chunk.
type below struct{ small [512]byte }

func (c *conn) offer() (transport.Conn, error) { return c, nil }

// read brings ciphertext into the chunk.
func (c *conn) read() error {
	if c.chunk != nil && c.r < c.w {
		n, err := c.nc.Read(c.space())
		c.w += n
		return dataFirst(n, err)
	}
	c.idle()
	n, err := c.nc.Read(c.small[:])
	if n > 0 {
		c.w += copy(c.space(), c.small[:n])
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
