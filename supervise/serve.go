// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"net"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

// maxHandshakes is how many may be under way at a time at the child's own address.
const maxHandshakes = 16

// serve starts what the child needs on this side.
func (c *Child) serve() {
	g := c.gift
	for _, p := range g.prints {
		c.prints.Go(func() { p.read(c.proc.exited) })
	}
	if g.life != nil {
		c.wg.Go(func() { c.listen(g.life) })
	}
	switch {
	case g.conn != nil:
		c.wg.Go(func() { c.welcomeSocket(g.conn) })
	case g.pipe != nil:
		c.wg.Go(func() { c.welcomePipe(g.pipe) })
	case g.listener != nil:
		c.wg.Go(func() { c.accept(g.listener) })
	}
}

// welcomeSocket shakes hands over the socket of which the child has the other end: nobody
// else can have it, so it need prove nothing. Before the child says something it may take
// its time.
func (c *Child) welcomeSocket(nc net.Conn) {
	if awaitBytes(nc) != nil {
		return
	}
	conn, err := socket.Adopt(nc, "")
	if err == nil {
		c.welcome(shm.New(socket.Unix(), nil).Adopt(conn), true)
	}
}

// welcomePipe shakes hands over the child's standard input and output.
func (c *Child) welcomePipe(p *pipe) {
	stray := c.out.stream(false)
	if p.skip(stray) == nil {
		c.welcome(stdio.New(p, p.w), true)
	}
}

// accept shakes hands with whoever comes to the child's own address: the child, or what it
// has started.
func (c *Child) accept(l transport.Listener) {
	slots := make(chan struct{}, maxHandshakes)
	for {
		slots <- struct{}{}
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			c.cfg.Log.Warn("a connection of a child is not accepted", "child", c.cfg.Name, "err", err)
			<-slots
			if !c.pause() {
				return
			}
			continue
		}
		c.wg.Go(func() {
			c.welcome(conn, false)
			<-slots
		})
	}
}

// acceptPause is how long accept waits after an error that is passing.
const acceptPause = 50 * time.Millisecond

// pause waits a moment. It is false if the child has ended.
func (c *Child) pause() bool {
	select {
	case <-c.proc.exited:
		return false
	case <-time.After(acceptPause):
		return true
	}
}

// welcome shakes hands and makes the session the child's.
func (c *Child) welcome(conn transport.Conn, trusted bool) {
	p, err := c.srv.ServePeer(conn, trusted)
	if err != nil {
		c.cfg.Log.Warn("child could not shake hands", "child", c.cfg.Name, "err", err)
		return
	}
	c.adopt(p)
}
