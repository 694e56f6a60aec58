// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The whole suite, with a shared key, with key pairs, and with both.
func TestSuite(t *testing.T) {
	mine, theirs, shared := GeneratePrivateKey(), GeneratePrivateKey(), GenerateKey()
	for name, cfg := range map[string]Config{
		"shared": {Shared: shared},
		"pairs":  {Private: mine, Server: mine.Public(), Admit: Only(theirs.Public(), mine.Public())},
		"both":   {Private: mine, Server: mine.Public(), Shared: shared},
	} {
		t.Run(name, func(t *testing.T) {
			abilities := []transporttest.Ability{
				transporttest.Ready, transporttest.Interrupt, transporttest.RemoteAddress, transporttest.Batch, transporttest.ChannelBinding, transporttest.Name,
			}
			if runtime.GOOS != "windows" {
				abilities = append(abilities, transporttest.TrySend, transporttest.Poll)
			}
			transporttest.Test(t, transporttest.Factory{
				Transport:     driver(t, cfg),
				Endpoint:      func(t testing.TB) endpoint.Endpoint { return parse(t, "noise+tcp://127.0.0.1:0") },
				Raw:           func(t testing.TB) (transport.Conn, io.WriteCloser) { return raw(t, cfg) },
				Abilities:     abilities,
				NoAllocations: runtime.GOOS != "windows",
				ResetOnClose:  true,
			})
		})
	}
}

func driver(t testing.TB, cfg Config) *Transport {
	t.Helper()
	d, err := New(socket.TCP(), cfg)
	check(t, err)
	return d
}

func parse(t testing.TB, address string) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(address)
	check(t, err)
	return ep
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rawWriter writes records by hand.
type rawWriter struct {
	nc  net.Conn
	out *direction
}

func (w *rawWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxPlain)
		b, err := w.out.seal(nil, rest[:n])
		if err == nil {
			_, err = w.nc.Write(b)
		}
		if err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

func (w *rawWriter) Close() error {
	if b, err := w.out.seal(nil, nil); err == nil {
		_, _ = w.nc.Write(b)
	}
	return w.nc.Close()
}

// raw returns an accepted Conn and the other end of it, by hand.
func raw(t testing.TB, cfg Config) (transport.Conn, *rawWriter) {
	t.Helper()
	return raw2(t, cfg, cfg)
}

// raw2 is raw for sides with different keys.
func raw2(t testing.TB, listen, dial Config) (transport.Conn, *rawWriter) {
	t.Helper()
	d := driver(t, listen)
	l, err := d.Listen(t.Context(), parse(t, "noise+tcp://127.0.0.1:0"), nil)
	check(t, err)
	defer l.Close()
	below, err := net.Dial("tcp", l.Endpoint().Address())
	check(t, err)
	nc := &recording{Conn: below}
	c, err := l.Accept()
	check(t, err)
	settled := make(chan error, 1)
	go func() {
		_, err := c.(transport.Binder).ChannelBinding()
		settled <- err
	}()
	o, err := dial.dial(nc, nil)
	check(t, err)
	check(t, <-settled)
	return c, &rawWriter{nc, o.out}
}

// recording keeps what was written.
type recording struct {
	net.Conn
	b []byte
}

func (r *recording) Write(p []byte) (int, error) {
	r.b = append(r.b, p...)
	return r.Conn.Write(p)
}
