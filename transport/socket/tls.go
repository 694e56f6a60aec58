// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// closeGrace bounds how long Close tries to tell the peer that the end is a clean one.
const closeGrace = 100 * time.Millisecond

// dialTLS connects and shakes hands.
func dialTLS(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (*tls.Conn, error) {
	nc, err := dialTCP(ctx, ep, opts)
	if err != nil {
		return nil, err
	}
	conf := atLeast13(opts.TLS)
	if conf.ServerName == "" && !conf.InsecureSkipVerify {
		conf.ServerName = ep.Host()
	}
	c := tls.Client(nc, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// serverTLS checks what a listener needs.
func serverTLS(opts *transport.Options) (*tls.Config, error) {
	conf := opts.TLS
	if conf == nil || len(conf.Certificates) == 0 && conf.GetCertificate == nil && conf.GetConfigForClient == nil {
		return nil, errors.New("a tls listener needs a certificate in Options.TLS")
	}
	return atLeast13(conf), nil
}

func atLeast13(conf *tls.Config) *tls.Config {
	if conf == nil {
		conf = new(tls.Config)
	}
	conf = conf.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS13)
	return conf
}

// tlsConn is a Conn over TLS. There is no TrySend: a TLS record is taken whole or waited
// for. On the accepting side the handshake is made by the first of Send, Recv and
// ChannelBinding, in a goroutine of its own that Close waits for: a read deadline, which
// Interrupt uses, is harmless to a TLS connection that stands (a timed-out read keeps
// what it has), but would break a handshake.
type tlsConn struct {
	stream
	tc    *tls.Conn
	small [512]byte

	begin sync.Once
	done  chan struct{} // closed when the handshake is over
	wake  chan struct{} // an interrupt during the handshake
	up    atomic.Bool   // the handshake is over and has succeeded
	err   error         // of the handshake, valid after done
}

func newTLSConn(tc *tls.Conn, remote string) *tlsConn {
	c := &tlsConn{tc: tc, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	c.nc, c.remote = tc, remote
	c.fill = c.read
	if tc.ConnectionState().HandshakeComplete {
		c.begin.Do(func() { close(c.done) })
		c.up.Store(true)
	}
	return c
}

// handshake starts the handshake unless that has happened.
func (c *tlsConn) handshake() {
	c.begin.Do(func() {
		go func() {
			defer close(c.done)
			c.err = c.tc.HandshakeContext(context.Background())
			c.up.Store(c.err == nil)
		}()
	})
}

// read waits for the handshake, then reads. It returns nil after an interrupt, too.
func (c *tlsConn) read() error {
	if c.up.Load() {
		return c.fillFrom(c.small[:])
	}
	c.handshake()
	select {
	case <-c.wake:
		return nil
	case <-c.done:
		return c.err // nil: Recv looks at the interrupt flag before it reads
	}
}

// Send implements transport.Conn.
func (c *tlsConn) Send(p []byte) error {
	if err := c.established(); err != nil {
		return sendError(err, c.remote)
	}
	return c.stream.Send(p)
}

func (c *tlsConn) established() error {
	if c.up.Load() {
		return nil
	}
	c.handshake()
	<-c.done
	return c.err
}

// Interrupt implements transport.Interrupter. The flag is set before up is looked at and
// looked at after up is set, so that one side sees the other.
func (c *tlsConn) Interrupt() {
	if c.up.Load() {
		c.stream.Interrupt()
		return
	}
	c.intr.flag.Store(true)
	if c.up.Load() {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ChannelBinding implements transport.Binder. It waits for the handshake.
func (c *tlsConn) ChannelBinding() ([]byte, error) {
	if err := c.established(); err != nil {
		return nil, err
	}
	state := c.tc.ConnectionState()
	return state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
}

// TLSState implements transport.Certifier. Before the handshake it is the zero state.
func (c *tlsConn) TLSState() tls.ConnectionState { return c.tc.ConnectionState() }

// Close implements transport.Conn. It takes at most about closeGrace.
func (c *tlsConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	raw := c.tc.NetConn()
	if !c.up.Load() {
		err := raw.Close()
		c.begin.Do(func() { close(c.done) })
		<-c.done
		return err
	}
	t := time.AfterFunc(closeGrace, func() { _ = raw.Close() })
	defer t.Stop()
	_ = c.tc.Close() // closes raw in any case; that the peer could not be told is no failure
	return nil
}
