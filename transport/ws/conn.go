// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/plexus-ipc/plexus/transport"
)

const (
	// closeGrace bounds how long Close tries to part with the peer properly.
	closeGrace = 100 * time.Millisecond
	// queued is how many messages are read ahead of Recv.
	queued = 4
	// firstRead is the memory that a message gets at its start; it grows with what comes.
	firstRead = 1 << 10
)

var (
	errText   = errors.New("the peer sent a text message, frames are binary")
	errParted = errors.New("the peer has ended the connection")
)

// conn is a Conn over WebSocket. The library's reader cannot be stopped without loss, so a
// goroutine of its own reads messages ahead, and Recv takes them from a channel. It ends with
// the connection; Close waits for it.
type conn struct {
	ws     *websocket.Conn
	nc     net.Conn // what lies below ws
	remote string

	queue chan *transport.Buffer // messages that are whole frames; closed by the reader
	end   error                  // why the reader has ended, valid after queue is closed
	ended chan struct{}          // closed when the reader is gone
	done  chan struct{}          // closed by Close
	wake  chan struct{}          // an interrupt for a pending Recv

	closed      atomic.Bool
	interrupted atomic.Bool

	beyond [1]byte // the reader's, see readMessage

	// Owned by the goroutine that receives.
	message *transport.Buffer // what of it Recv has not returned begins at at
	at      int
	final   error // what every later Recv returns
}

// secureConn is a conn over TLS.
type secureConn struct {
	*conn
	tc *tls.Conn
}

// newConn returns the Conn over c, which lies over nc, and begins to read.
func newConn(c *websocket.Conn, nc net.Conn, remote string) transport.Conn {
	c.SetReadLimit(MaxMessage)
	plain := &conn{
		ws: c, nc: nc, remote: remote,
		queue: make(chan *transport.Buffer, queued), ended: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	go plain.read()
	if tc, ok := nc.(*tls.Conn); ok {
		return &secureConn{plain, tc}
	}
	return plain
}

// ChannelBinding implements transport.Binder.
func (c *secureConn) ChannelBinding() ([]byte, error) {
	state := c.tc.ConnectionState()
	return state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
}

// TLSState implements transport.Certifier.
func (c *secureConn) TLSState() tls.ConnectionState { return c.tc.ConnectionState() }

// RemoteAddress implements transport.Addresser.
func (c *conn) RemoteAddress() string { return c.remote }

// read fills the queue until the connection ends, and parts with the peer.
func (c *conn) read() {
	defer close(c.ended)
	inside, err := c.receive()
	c.end = c.ending(err, inside)
	close(c.queue)
	switch {
	case c.closed.Load():
		return // Close parts with it
	case errors.Is(err, errText):
		c.part(websocket.StatusUnsupportedData, "frames are binary messages")
	case errors.Is(err, websocket.ErrMessageTooBig):
		c.part(websocket.StatusMessageTooBig, "a message is too long")
	default: // after a close frame, or without a peer, this says nothing
		c.part(websocket.StatusProtocolError, "this is not the protocol of Plexus")
	}
}

// receive reads messages; inside tells whether it ended within one.
func (c *conn) receive() (inside bool, err error) {
	for {
		kind, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return false, err
		}
		if kind != websocket.MessageBinary {
			return false, errText
		}
		b, err := readMessage(r, c.beyond[:])
		if err != nil {
			return true, err
		}
		n, bad := wholeFrames(b.Bytes())
		if n > 0 && bad != nil {
			whole := b.View(0, n)
			b.Release()
			b = whole
		}
		if n == 0 {
			b.Release()
		} else if !c.deliver(b) {
			return false, net.ErrClosed
		}
		if bad != nil {
			return true, bad
		}
	}
}

func (c *conn) deliver(b *transport.Buffer) bool {
	select {
	case c.queue <- b:
		return true
	case <-c.done:
		b.Release()
		return false
	}
}

// readMessage reads a message into a Buffer that grows with it, so that who announces much and
// sends little costs little. beyond is where a byte that is too much goes.
func readMessage(r io.Reader, beyond []byte) (*transport.Buffer, error) {
	b, n := transport.NewBuffer(firstRead), 0
	for {
		space := b.Bytes()[n:]
		if len(space) == 0 && n < MaxMessage {
			larger := transport.NewBuffer(min(4*n, MaxMessage))
			copy(larger.Bytes(), b.Bytes())
			b.Release()
			b, space = larger, larger.Bytes()[n:]
		}
		if len(space) == 0 {
			space = beyond // the reader's limit makes it an error
		}
		m, err := r.Read(space)
		if len(b.Bytes()) > n {
			n += m
		}
		if err == nil {
			continue
		}
		if err != io.EOF {
			b.Release()
			return nil, err
		}
		v := b.View(0, n)
		b.Release()
		return v, nil
	}
}

// wholeFrames returns how many bytes of a message are whole frames, and what is wrong with the
// rest. A message without frames is wrong as well.
func wholeFrames(p []byte) (n int, err error) {
	for {
		rest := p[n:]
		switch {
		case len(rest) == 0 && n > 0:
			return n, nil
		case len(rest) < 4:
			return n, io.ErrUnexpectedEOF
		}
		size := int64(binary.LittleEndian.Uint32(rest))
		if size < transport.MinFrame || size > transport.MaxFrame {
			return n, &transport.FrameError{Length: size, Limit: transport.MaxFrame, Head: append([]byte(nil), rest[:min(len(rest), 64)]...)}
		}
		if int64(len(rest)) < size {
			return n, io.ErrUnexpectedEOF
		}
		n += int(size)
	}
}

// ending gives the error of the reader the form that transport.Conn promises.
func (c *conn) ending(err error, inside bool) error {
	var fe *transport.FrameError
	switch code := websocket.CloseStatus(err); {
	case errors.As(err, &fe):
		return fe
	case code == websocket.StatusNormalClosure, code == websocket.StatusGoingAway, code == websocket.StatusNoStatusRcvd:
		if inside {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF // nobody has said that this is the end
	}
	return c.failed("receive", err)
}

// failed says where, and keeps net.ErrClosed for an end that this side has made.
func (c *conn) failed(op string, err error) error {
	switch {
	case c.closed.Load():
		err = net.ErrClosed
	case errors.Is(err, net.ErrClosed):
		err = errParted
	}
	return &transport.Error{Op: op, Endpoint: c.remote, Err: err}
}

// Recv implements transport.Conn.
func (c *conn) Recv() (*transport.Buffer, error) { return c.recv(false) }

// RecvBatch implements transport.Batcher.
func (c *conn) RecvBatch() (*transport.Buffer, error) { return c.recv(true) }

func (c *conn) recv(batch bool) (*transport.Buffer, error) {
	for {
		if c.closed.Load() {
			c.drop()
			return nil, c.failed("receive", net.ErrClosed)
		}
		if c.interrupted.Load() && c.interrupted.Swap(false) {
			return nil, transport.ErrInterrupted
		}
		if c.message != nil {
			return c.next(batch), nil
		}
		if c.final != nil {
			return nil, c.final
		}
		select {
		case b, ok := <-c.queue:
			c.message, c.at = b, 0
			if !ok {
				c.final = c.end
			}
		case <-c.wake:
		case <-c.done:
		}
	}
}

// next takes a frame, or all there are, off the message.
func (c *conn) next(batch bool) *transport.Buffer {
	p := c.message.Bytes()
	end := len(p)
	if !batch {
		end = c.at + int(binary.LittleEndian.Uint32(p[c.at:])) // wholeFrames has seen it
	}
	b := c.message
	if c.at > 0 || end < len(p) {
		b = c.message.View(c.at, end)
	}
	switch {
	case end < len(p):
		c.at = end
	case b == c.message:
		c.message = nil
	default:
		c.drop()
	}
	return b
}

func (c *conn) drop() {
	if c.message != nil {
		c.message.Release()
		c.message = nil
	}
}

// Ready implements transport.Readier.
func (c *conn) Ready() bool {
	return !c.closed.Load() && (c.message != nil || len(c.queue) > 0)
}

// Interrupt implements transport.Interrupter. The flag is the truth; what is left in wake after
// it was taken only has Recv look once more.
func (c *conn) Interrupt() {
	if c.interrupted.Swap(true) {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Send implements transport.Conn. A context that ends would end the connection, so there is none.
func (c *conn) Send(p []byte) error {
	for len(p) > 0 {
		n := messageOf(p)
		if err := c.ws.Write(context.Background(), websocket.MessageBinary, p[:n]); err != nil {
			return c.failed("send", err)
		}
		p = p[n:]
	}
	return nil
}

// messageOf returns how much of p, which is whole frames, goes into one message.
func messageOf(p []byte) int {
	if len(p) <= MaxMessage {
		return len(p)
	}
	n := 0
	for len(p)-n >= 4 {
		size := int(binary.LittleEndian.Uint32(p[n:]))
		if n > 0 && n+size > MaxMessage {
			return n
		}
		if size < transport.MinFrame {
			break
		}
		n += size
	}
	return len(p) // not whole frames: the peer refuses them
}

// part ends the connection with a close frame, if the peer takes it soon.
func (c *conn) part(code websocket.StatusCode, reason string) {
	t := time.AfterFunc(closeGrace, func() { _ = c.nc.Close() })
	defer t.Stop()
	_ = c.ws.Close(code, reason) // that the peer could not be told is no failure
	_ = c.nc.Close()
}

// Close implements transport.Conn. It takes at most about closeGrace.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	close(c.done)
	c.part(websocket.StatusNormalClosure, "")
	<-c.ended
	for b := range c.queue {
		b.Release()
	}
	return nil
}
