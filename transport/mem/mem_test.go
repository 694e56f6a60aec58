// SPDX-License-Identifier: Apache-2.0

package mem_test

import (
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

func TestMain(m *testing.M) { leak.Main(m) }

var abilities = []transporttest.Ability{
	transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.RemoteAddress,
}

func TestPipe(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Pair:          func(testing.TB) (a, b transport.Conn) { return mem.Pipe() },
		Raw:           raw,
		Abilities:     abilities,
		NoAllocations: true,
	})
}

func TestTransport(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:     mem.New(),
		Endpoint:      func(t testing.TB) endpoint.Endpoint { return parse(t, "mem://test") },
		Raw:           raw,
		Abilities:     abilities,
		NoAllocations: true,
	})
}

// writer makes a byte stream of a Conn: TrySend takes any part of a frame.
type writer struct{ *mem.Conn }

func (w writer) Write(p []byte) (int, error) { return w.TrySend(p) }

func raw(testing.TB) (transport.Conn, io.WriteCloser) {
	a, b := mem.Pipe()
	return a, writer{b}
}

func parse(t testing.TB, s string) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ep
}
