// SPDX-License-Identifier: Apache-2.0

package stdio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/stdio"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

// TestMain also serves as the child process of some tests, see child_test.go.
func TestMain(m *testing.M) {
	if verb := os.Getenv(childEnv); verb != "" {
		os.Exit(child(verb))
	}
	leak.Main(m)
}

var abilities = []transporttest.Ability{transporttest.Ready, transporttest.Interrupt, transporttest.PartWait}

// TestPipes runs the suite over pipes, which support deadlines on unix.
func TestPipes(t *testing.T) {
	transporttest.Test(t, factory(func(f *os.File) io.ReadCloser { return f }))
}

// TestPlainReaders runs it over readers without deadlines.
func TestPlainReaders(t *testing.T) {
	transporttest.Test(t, factory(func(f *os.File) io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{f, f}
	}))
}

func factory(reader func(*os.File) io.ReadCloser) transporttest.Factory {
	pipe := func(t testing.TB) (io.ReadCloser, *os.File) {
		r, w, err := os.Pipe()
		check(t, err)
		return reader(r), w
	}
	return transporttest.Factory{
		Pair: func(t testing.TB) (a, b transport.Conn) {
			ra, wb := pipe(t)
			rb, wa := pipe(t)
			return stdio.New(ra, wa), stdio.New(rb, wb)
		},
		Raw: func(t testing.TB) (transport.Conn, io.WriteCloser) {
			r, w := pipe(t)
			return stdio.New(r, nowhere{}), w
		},
		Abilities: abilities,
	}
}

// nowhere takes everything and keeps nothing.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

// TestUnbuffered: a pipe without any buffer, such as io.Pipe, works as well.
func TestUnbuffered(t *testing.T) {
	ra, wb := io.Pipe()
	rb, wa := io.Pipe()
	a, b := stdio.New(ra, wa), stdio.New(rb, wb)
	done := make(chan error, 1)
	go func() { done <- a.Send(append(frame("hello"), frame("there")...)) }()
	for _, want := range []string{"hello", "there"} {
		if got := receive(t, b); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	check(t, <-done)
	go func() { _, err := b.Recv(); done <- err }()
	check(t, b.Close())
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v instead of net.ErrClosed", err)
	}
	if _, err := a.Recv(); err != io.EOF {
		t.Errorf("%v instead of io.EOF", err)
	}
	if err := a.Send(frame("x")); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("sending to a closed peer: %v", err)
	}
	check(t, a.Close())
}

// TestOnce: standard input and output are given away once; here a test only sees the
// refusals, the rest is in child_test.go.
func TestOnce(t *testing.T) {
	tr := stdio.NewTransport()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Dial(ctx, stdioEndpoint(t), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s := strings.Join(tr.Schemes(), ","); s != "stdio" {
		t.Error(s)
	}
}

func stdioEndpoint(t testing.TB) endpoint.Endpoint {
	ep, err := endpoint.Parse("stdio:")
	check(t, err)
	return ep
}

// frame returns a frame around a text of at least four bytes, padded with blanks.
func frame(text string) []byte {
	for len(text) < 4 {
		text += " "
	}
	return append([]byte{byte(4 + len(text)), 0, 0, 0}, text...)
}

func receive(t testing.TB, c transport.Conn) string {
	t.Helper()
	b, err := c.Recv()
	check(t, err)
	defer b.Release()
	return string(b.Bytes()[4:])
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
