// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

var abilities = []transporttest.Ability{transporttest.Ready, transporttest.Interrupt, transporttest.RemoteAddress}

func with(more ...transporttest.Ability) []transporttest.Ability {
	if runtime.GOOS != "windows" {
		more = append(more, transporttest.TrySend)
	}
	return append(more, abilities...)
}

func TestUnix(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.Unix(),
		Endpoint:      path("unix"),
		Raw:           raw(socket.Unix(), path("unix")),
		Abilities:     with(transporttest.Credentials),
		NoAllocations: runtime.GOOS != "windows",
	})
}

func TestUnixAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("abstract names exist on Linux only")
	}
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.Unix(),
		Endpoint:      func(t testing.TB) endpoint.Endpoint { return parse(t, "unix://@plexus-suite-"+nonce(t)) },
		Abilities:     with(transporttest.Credentials),
		NoAllocations: true,
	})
}

func TestUnixpacket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SEQPACKET exists on Linux only")
	}
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.Packet(),
		Endpoint:      path("unixpacket"),
		Abilities:     with(transporttest.Credentials),
		NoAllocations: true,
		WholeFrames:   true,
	})
}

func TestUnixgram(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("datagrams exist on Linux and macOS only")
	}
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.Packet(),
		Endpoint:      path("unixgram"),
		Abilities:     with(transporttest.Credentials),
		NoAllocations: true,
		WholeFrames:   true,
	})
}

// TestPacketBuffers: sizes that are too small for a frame are raised.
func TestPacketBuffers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("both kinds of packets exist on Linux only")
	}
	small := &transport.Options{SendBuffer: 4 << 10, RecvBuffer: 4 << 10}
	for _, scheme := range []string{"unixpacket", "unixgram"} {
		t.Run(scheme, func(t *testing.T) {
			transporttest.Test(t, transporttest.Factory{
				Transport:   socket.Packet(),
				Endpoint:    path(scheme),
				Options:     func(testing.TB) (listen, dial *transport.Options) { return small, small },
				Abilities:   with(transporttest.Credentials),
				WholeFrames: true,
			})
		})
	}
}

func TestTCP(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.TCP(),
		Endpoint:      fixed("tcp://127.0.0.1:0"),
		Raw:           raw(socket.TCP(), fixed("tcp://127.0.0.1:0")),
		Abilities:     with(),
		NoAllocations: runtime.GOOS != "windows",
		ResetOnClose:  true,
	})
}

func TestTCP6(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:    socket.New(),
		Endpoint:     fixed("tcp://[::1]:0"),
		Abilities:    with(),
		ResetOnClose: true,
	})
}

func TestTLS(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:    socket.TLS(),
		Endpoint:     fixed("tls://localhost:0"),
		Options:      tlsOptions,
		Abilities:    append([]transporttest.Ability{transporttest.ChannelBinding, transporttest.Certificates}, abilities...),
		ResetOnClose: true,
	})
}

// path returns a maker of endpoints at new paths.
func path(scheme string) func(testing.TB) endpoint.Endpoint {
	return func(t testing.TB) endpoint.Endpoint {
		return parse(t, scheme+"://"+filepath.ToSlash(filepath.Join(t.TempDir(), "s")))
	}
}

func fixed(address string) func(testing.TB) endpoint.Endpoint {
	return func(t testing.TB) endpoint.Endpoint { return parse(t, address) }
}

// raw connects a Conn with a plain connection.
func raw(tr *socket.Transport, ep func(testing.TB) endpoint.Endpoint) func(testing.TB) (transport.Conn, io.WriteCloser) {
	return func(t testing.TB) (transport.Conn, io.WriteCloser) {
		l, err := tr.Listen(t.Context(), ep(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		w, err := tr.DialStream(t.Context(), l.Endpoint(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c, w
	}
}

func parse(t testing.TB, s string) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

func nonce(testing.TB) string { return filepath.Base(os.TempDir()) }
