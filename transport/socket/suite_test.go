// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
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
		Abilities:     detachable(transporttest.Credentials, transporttest.Batch, transporttest.PartWait),
		NoAllocations: runtime.GOOS != "windows",
	})
}

// detachable is polling, and Detach where the descriptor itself is read.
func detachable(more ...transporttest.Ability) []transporttest.Ability {
	if runtime.GOOS != "windows" {
		more = append(more, transporttest.Detach)
	}
	return polling(more...)
}

// polling is with, and Poll where the descriptor itself is read.
func polling(more ...transporttest.Ability) []transporttest.Ability {
	if runtime.GOOS != "windows" {
		more = append(more, transporttest.Poll)
	}
	return with(more...)
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

// TestVariants: what differs from the suites above only in its address or options carries
// the largest frame in both directions.
func TestVariants(t *testing.T) {
	small := &transport.Options{SendBuffer: 4 << 10, RecvBuffer: 4 << 10} // packets: is raised
	for _, c := range []struct {
		ep   endpoint.Endpoint
		opts *transport.Options
	}{
		{parse(t, "unix://@plexus-"+nonce()), nil},
		{parse(t, "unixpacket://@plexus-"+nonce()), small},
		{parse(t, "unixgram://@plexus-"+nonce()), small},
		{path("unixpacket")(t), small},
		{path("unixgram")(t), small},
		{path("unix")(t), small},
		{parse(t, "tcp://[::1]:0"), nil},
		{parse(t, "tcp://localhost:0"), &transport.Options{KeepAlive: -1}},
	} {
		t.Run(c.ep.String(), func(t *testing.T) {
			if err := c.ep.Supported(); err != nil {
				_, err := socket.New().Listen(t.Context(), c.ep, nil)
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Error(err)
				}
				return
			}
			largestBothWays(t, c.ep, c.opts)
		})
	}
}

func largestBothWays(t *testing.T, ep endpoint.Endpoint, opts *transport.Options) {
	l, err := socket.New().Listen(t.Context(), ep, opts)
	check(t, err)
	defer l.Close()
	go answer(l)
	c, err := socket.New().Dial(t.Context(), l.Endpoint(), opts)
	check(t, err)
	defer c.Close()
	p := binary.LittleEndian.AppendUint32(nil, transport.MaxFrame)
	p = append(p, bytes.Repeat([]byte("x"), transport.MaxFrame-4)...)
	for range 20 {
		check(t, c.Send(p))
		b, err := c.Recv()
		check(t, err)
		if !bytes.Equal(b.Bytes(), p) {
			t.Error("another frame came back")
		}
		b.Release()
	}
}

func TestTCP(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:     socket.TCP(),
		Endpoint:      fixed("tcp://127.0.0.1:0"),
		Raw:           raw(socket.TCP(), fixed("tcp://127.0.0.1:0")),
		Abilities:     polling(transporttest.Batch, transporttest.PartWait),
		NoAllocations: runtime.GOOS != "windows",
		ResetOnClose:  true,
	})
}

func TestTLS(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport:    socket.TLS(),
		Endpoint:     fixed("tls://localhost:0"),
		Options:      tlsOptions,
		Abilities:    append([]transporttest.Ability{transporttest.ChannelBinding, transporttest.Certificates, transporttest.Batch, transporttest.PartWait}, abilities...),
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

// nonce makes abstract names differ between processes.
func nonce() string { return strconv.Itoa(os.Getpid()) }
