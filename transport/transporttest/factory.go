// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// Ability names an optional interface of package transport.
type Ability string

// The abilities that a Factory declares.
const (
	TrySend        Ability = "TrySend"        // transport.TrySender
	Ready          Ability = "Ready"          // transport.Readier
	Batch          Ability = "Batch"          // transport.Batcher
	Interrupt      Ability = "Interrupt"      // transport.Interrupter
	Credentials    Ability = "Credentials"    // transport.Credentialer
	ChannelBinding Ability = "ChannelBinding" // transport.Binder
	Certificates   Ability = "Certificates"   // transport.Certifier
	Name           Ability = "Name"           // transport.Namer
	RemoteAddress  Ability = "RemoteAddress"  // transport.Addresser
	Upgrade        Ability = "Upgrade"        // transport.Upgrader
	Detach         Ability = "Detach"         // transport.Detacher
	Poll           Ability = "Poll"           // transport.Crowder
	Lend           Ability = "Lend"           // transport.Lender
	PartWait       Ability = "PartWait"       // transport.PartWaiter
)

// Factory makes what is tested and declares what it is. Its functions are called once
// per test and register with t whatever must be undone; Conns and Listeners are closed
// by the suite.
type Factory struct {
	// Pair returns the two ends of a new connection. It may be nil if Transport is set.
	Pair func(t testing.TB) (a, b transport.Conn)

	// Transport is tested with its listeners if it is not nil. Endpoint returns a free
	// address for each call, Options what to listen and to dial with (nil: nothing).
	Transport transport.Transport
	Endpoint  func(t testing.TB) endpoint.Endpoint
	Options   func(t testing.TB) (listen, dial *transport.Options)

	// Raw returns a Conn and a writer to its other end that is no Conn: what is written
	// is what arrives, and Close is the end of the stream. nil if there is no such thing,
	// as for packets.
	Raw func(t testing.TB) (c transport.Conn, w io.WriteCloser)

	// Abilities lists exactly what both ends offer.
	Abilities []Ability
	// NoAllocations declares that Send, TrySend and Recv allocate nothing.
	NoAllocations bool
	// WholeFrames declares that TrySend stops only between two frames.
	WholeFrames bool
	// ResetOnClose declares that closing with unread bytes may lose what was sent and
	// give the peer an error that is not io.EOF (TCP).
	ResetOnClose bool
	// UnboundedSend declares that Send never waits, so that a blocked Send cannot be
	// tested.
	UnboundedSend bool
	// RebindLater declares that an address may be refused for a while after its listener
	// was closed.
	RebindLater bool
	// Patience bounds whatever must happen soon, 0 for 20 s. Only a failure waits for it.
	Patience time.Duration
}

// has reports whether an ability is declared.
func (f *Factory) has(a Ability) bool { return slices.Contains(f.Abilities, a) }

// mode is how a test sees its Conns.
type mode struct {
	name string
	view func(transport.Conn) transport.Conn
}

var modes = []mode{
	{"full", func(c transport.Conn) transport.Conn { return c }},
	{"bare", Bare},
}

// Bare returns c without any of its abilities.
func Bare(c transport.Conn) transport.Conn { return bare{c} }

// bare re-declares Send, Recv and Close, and nothing else.
type bare struct{ c transport.Conn }

func (b bare) Send(p []byte) error              { return b.c.Send(p) }
func (b bare) Recv() (*transport.Buffer, error) { return b.c.Recv() }
func (b bare) Close() error                     { return b.c.Close() }

// bench is what one test works with.
type bench struct {
	testing.TB
	f    *Factory
	a, b transport.Conn
}

// patience is the default of Factory.Patience.
const patience = 20 * time.Second

func (f *Factory) patience() time.Duration {
	if f.Patience > 0 {
		return f.Patience
	}
	return patience
}

// run runs a test with a new pair per mode.
func run(t *testing.T, f *Factory, name string, test func(b *bench)) {
	for _, m := range modes {
		t.Run(name+"/"+m.name, func(t *testing.T) {
			leak.Check(t)
			a, b := f.pair(t)
			test(&bench{TB: t, f: f, a: m.view(a), b: m.view(b)})
		})
	}
}

// pair returns a new connection that is closed at the end of the test.
func (f *Factory) pair(t testing.TB) (a, b transport.Conn) {
	t.Helper()
	if f.Pair != nil {
		a, b = f.Pair(t)
	} else {
		l, dial := f.listen(t)
		a, b = connect(t, f, l, dial)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// listen binds a new address for the length of the test and returns the options to dial
// with.
func (f *Factory) listen(t testing.TB) (transport.Listener, *transport.Options) {
	t.Helper()
	var listen, dial *transport.Options
	if f.Options != nil {
		listen, dial = f.Options(t)
	}
	l, err := f.Transport.Listen(t.Context(), f.Endpoint(t), listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, dial
}

// connect dials and accepts at the same time, because a Dial may need the Accept. A
// handshake of the transport's own is waited for, at both ends.
func connect(t testing.TB, f *Factory, l transport.Listener, opts *transport.Options) (dialled, accepted transport.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), f.patience())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		if accepted, err = l.Accept(); err == nil {
			err = settle(accepted)
		}
		done <- err
	}()
	dialled, err := f.Transport.Dial(ctx, l.Endpoint(), opts)
	if err != nil {
		_ = l.Close()
		<-done
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

// settle completes the handshake of a secure channel.
func settle(c transport.Conn) error {
	if b, ok := c.(transport.Binder); ok {
		_, err := b.ChannelBinding()
		return err
	}
	return nil
}
