// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// stranger is a driver whose one connection leads to another user.
type stranger struct {
	transport.Transport
	c transport.Conn
}

func (s stranger) Dial(context.Context, endpoint.Endpoint, *transport.Options) (transport.Conn, error) {
	return foreign{s.c}, nil
}

// foreign is a unix Conn whose peer is somebody else.
type foreign struct{ c transport.Conn }

func (f foreign) Send(p []byte) error                   { return f.c.Send(p) }
func (f foreign) Recv() (*transport.Buffer, error)      { return f.c.Recv() }
func (f foreign) Close() error                          { return f.c.Close() }
func (f foreign) TrySend(p []byte) (int, error)         { return f.c.(transport.TrySender).TrySend(p) }
func (f foreign) Ready() bool                           { return f.c.(transport.Readier).Ready() }
func (f foreign) Interrupt()                            { f.c.(transport.Interrupter).Interrupt() }
func (f foreign) PartWaits(t func())                    { f.c.(transport.PartWaiter).PartWaits(t) }
func (f foreign) RemoteAddress() string                 { return "" }
func (f foreign) Detach() (net.Conn, []byte, error)     { return f.c.(transport.Detacher).Detach() }
func (f foreign) SyscallConn() (syscall.RawConn, error) { return f.c.(syscall.Conn).SyscallConn() }
func (f foreign) PeerCredentials() (transport.Credentials, error) {
	return transport.Credentials{UID: os.Geteuid() + 1}, nil
}
