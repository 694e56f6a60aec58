// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// stranger is a program that expects something else behind the port. It returns what it makes
// of that, which must be an error.
type stranger func(address string) error

func dialled(address string, hello []byte) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(hello); err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	if err == nil && len(b) > 0 {
		err = errors.New("it was told: " + string(b))
	}
	return err
}

var strangers = map[string]stranger{
	"HTTP": func(address string) error {
		r, err := http.Get("http://" + address + "/")
		if err == nil {
			r.Body.Close()
		}
		return err
	},
	"HTTPS": func(address string) error {
		c, err := tls.Dial("tcp", address, &tls.Config{ServerName: "localhost"})
		if err == nil {
			c.Close()
		}
		return err
	},
	"an old version":  func(address string) error { return dialled(address, preface(0)) },
	"a later version": func(address string) error { return dialled(address, preface(2)) },
	"Redis":           func(address string) error { return dialled(address, []byte("*1\r\n$4\r\nPING\r\n")) },
	"zeros":           func(address string) error { return dialled(address, make([]byte, 64)) },
}

// Programs that speak something else are told so, and are gone within a tenth of a second; both
// sides know why.
func TestStrangersOnThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	for name, visit := range strangers {
		t.Run(name, func(t *testing.T) {
			best := time.Hour
			for i := range 5 { // a busy machine may be slow now and then
				seen := make(chan error, 1)
				began := time.Now()
				go func() { seen <- visit(l.Addr().String()) }()
				nc, err := l.Accept()
				must(t, err)
				conn, err := socket.Adopt(nc, "")
				must(t, err)
				_, err = session.Accept(context.Background(), conn, nil)
				wantCode(t, err, status.Protocol)
				theirs := <-seen
				best = min(best, time.Since(began))
				if theirs == nil {
					t.Fatal("the stranger is content")
				}
				if i == 0 {
					t.Logf("%.80v\n\t%.120q", err, theirs)
				}
			}
			t.Logf("gone after %v", best.Round(time.Microsecond))
			if best > 100*time.Millisecond {
				t.Errorf("it took %v", best)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

// Two that both dial tell each other so.
func TestTwoDiallers(t *testing.T) {
	d, a := mem.Pipe()
	other := make(chan error, 1)
	go func() {
		_, err := session.Dial(context.Background(), a, nil)
		other <- err
	}()
	_, err := session.Dial(context.Background(), d, nil)
	for _, err := range []error{err, <-other} {
		if c := status.CodeOf(err); c != status.Protocol && c != status.Unavailable {
			t.Error(err)
		}
		t.Log(err)
	}
}
