// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// packetConn carries frames in packets: SEQPACKET, or two datagram sockets connected to
// each other. A packet holds whole frames and has at most MaxFrame bytes.
type packetConn struct {
	nc     *net.UnixConn
	raw    syscall.RawConn
	remote string
	gram   *gram // nil for SEQPACKET
	closed atomic.Bool
	intr   interrupter

	// Owned by the goroutine that receives.
	in      packets
	early   [][]byte // packets that came before the connection stood
	onRead  func(fd uintptr) bool
	readErr error
	end     error

	// Owned by the goroutine that sends.
	onTry, onSend func(fd uintptr) bool
	out           []byte
	outN          int
	full          bool // the peer has no room and the system will not tell when it has
	writeErr      error
}

func newPacketConn(nc *net.UnixConn, remote string) (transport.Conn, error) {
	return makePacketConn(nc, remote, nil)
}

func makePacketConn(nc *net.UnixConn, remote string, g *gram) (*packetConn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &packetConn{nc: nc, raw: raw, remote: remote, gram: g}
	c.onRead, c.onTry, c.onSend = c.tryRead, c.tryWrite, c.write
	return c, nil
}

// dialPacket connects a SEQPACKET socket.
func dialPacket(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	if _, err := socketKind(ep.Scheme()); err != nil {
		return nil, dialError(ep, err)
	}
	nc, err := dialUnix(ctx, "unixpacket", ep, opts)
	if err != nil {
		return nil, dialError(ep, err)
	}
	c, err := newPacketConn(nc, ep.String())
	if err == nil {
		err = setPacketBuffers(nc, opts)
	}
	if err != nil {
		_ = nc.Close()
		return nil, dialError(ep, err)
	}
	return c, nil
}

// Recv implements transport.Conn.
func (c *packetConn) Recv() (*transport.Buffer, error) {
	for {
		if c.closed.Load() {
			c.in.close()
			return nil, recvError(net.ErrClosed, c.remote, true, false)
		}
		if c.intr.take(c.nc) {
			return nil, errInterrupted
		}
		if c.end != nil {
			return nil, c.end
		}
		if b, err := c.in.next(); b != nil || err != nil {
			return b, c.fail(err)
		}
		if err := c.read(); err != nil && !c.intr.expired(c.nc, err) {
			return nil, c.fail(err)
		}
	}
}

// fail remembers and returns the final error of the receiving side, nil for nil.
func (c *packetConn) fail(err error) error {
	if err != nil && c.end == nil {
		c.end = recvError(err, c.remote, true, false)
		c.in.close()
	}
	return c.end
}

func (c *packetConn) read() error {
	if len(c.early) > 0 {
		return c.replay()
	}
	if err := c.raw.Read(c.onRead); err != nil {
		return err
	}
	return c.readErr
}

// tryRead reads a packet without blocking; false makes the runtime wait and call again.
func (c *packetConn) tryRead(fd uintptr) bool {
	n, err := readOnce(int(fd), c.in.space())
	if err == syscall.EAGAIN { //nolint:errorlint // a bare errno, on the hot path
		c.in.idle()
		return false
	}
	if err == nil {
		err = c.take(n)
	}
	c.readErr = err
	return true
}

// take accepts the packet of n bytes that is in space. An empty one ends a SEQPACKET
// connection and means nothing as a datagram.
func (c *packetConn) take(n int) error {
	if n == 0 && c.gram == nil || c.gram.isBye(c.in.space(), n) {
		return io.EOF
	}
	c.in.filled(n)
	return nil
}

// replay treats the first of the early packets as if it had come now.
func (c *packetConn) replay() error {
	p := c.early[0]
	c.early = c.early[1:]
	return c.take(copy(c.in.space(), p))
}

// Send implements transport.Conn.
func (c *packetConn) Send(p []byte) error {
	for {
		n, err := c.transmit(p, c.onSend)
		if p = p[n:]; err != nil || len(p) == 0 {
			return err
		}
		time.Sleep(fullPause)
	}
}

// fullPause is how long Send waits on macOS, where a datagram socket is always writable
// and says ENOBUFS when the peer has no room.
const fullPause = time.Millisecond

// TrySend implements transport.TrySender. It stops only between two frames.
func (c *packetConn) TrySend(p []byte) (int, error) { return c.transmit(p, c.onTry) }

func (c *packetConn) transmit(p []byte, how func(uintptr) bool) (int, error) {
	c.out, c.outN, c.full, c.writeErr = p, 0, false, nil
	err := c.raw.Write(how)
	c.out = nil
	if err == nil {
		err = c.writeErr
	}
	if err != nil {
		return c.outN, sendError(err, c.remote)
	}
	return c.outN, nil
}

// write sends until all is sent; false makes the runtime wait.
func (c *packetConn) write(fd uintptr) bool {
	c.tryWrite(fd)
	return c.writeErr != nil || c.full || c.outN == len(c.out)
}

// tryWrite sends what fits now and always returns true.
func (c *packetConn) tryWrite(fd uintptr) bool {
	for c.outN < len(c.out) {
		rest := c.out[c.outN:]
		n, err := syscall.Write(int(fd), rest[:packetOf(rest)])
		switch err {
		case nil:
			c.outN += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		case syscall.ENOBUFS:
			c.full = true
			return true
		default:
			c.writeErr = err
			return true
		}
	}
	return true
}

// packetOf returns how many bytes of p, which starts with a frame, travel as one packet:
// as many whole frames as MaxFrame allows. What is no frame is left to the receiver to
// refuse, as on a byte stream.
func packetOf(p []byte) int {
	n := 0
	for len(p)-n >= 4 {
		size := int(binary.LittleEndian.Uint32(p[n:]))
		if size < transport.MinFrame || size > len(p)-n {
			return len(p)
		}
		if n > 0 && n+size > transport.MaxFrame {
			break
		}
		n += size
	}
	return n
}

// Ready implements transport.Readier.
func (c *packetConn) Ready() bool { return c.end == nil && c.in.ready() }

// Interrupt implements transport.Interrupter.
func (c *packetConn) Interrupt() { c.intr.raise(c.nc) }

// RemoteAddress implements transport.Addresser.
func (c *packetConn) RemoteAddress() string { return c.remote }

// PeerCredentials implements transport.Credentialer.
func (c *packetConn) PeerCredentials() (transport.Credentials, error) {
	if c.gram != nil {
		return c.gram.creds, c.gram.credsErr
	}
	return credentials(c.raw)
}

// Close implements transport.Conn.
func (c *packetConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.gram.hangUp(c.raw)
	return c.nc.Close()
}
