// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

// FuzzUpgraded: whatever a client sends after the upgrade, in whatever pieces, gives whole
// frames of the allowed lengths and then an end, and nothing that was not sent.
func FuzzUpgraded(f *testing.F) {
	f.Add(part(fin|opBinary, frame(20)), byte(3))
	f.Add(append(part(opBinary, frame(20)[:7]), part(fin|opContinue, frame(20)[7:])...), byte(1))
	f.Add(append(part(fin|opPing, []byte("x")), part(fin|opClose, []byte{3, 0xe8})...), byte(200))
	f.Add(announced(fin|opBinary, 1<<63|5), byte(0))
	f.Add(append(part(fin|opBinary, append(frame(8), frame(9)...)), part(fin|opText, []byte("text"))...), byte(9))
	f.Add(append([]byte{fin | opBinary, 8}, frame(8)...), byte(2))
	f.Fuzz(func(t *testing.T, said []byte, step byte) {
		c := overheard(t, said, int(step)+1)
		defer c.Close()
		sum := 0
		for {
			b, err := c.Recv()
			if err != nil {
				if again, err2 := c.Recv(); again != nil || err2 != err {
					t.Errorf("after %v comes %v", err, err2)
				}
				return
			}
			n, bad := wholeFrames(b.Bytes())
			if bad != nil || n != b.Len() || n > transport.MaxFrame {
				t.Errorf("%d of %d bytes are frames, %v", n, b.Len(), bad)
			}
			if sum += n; sum > len(said) {
				t.Errorf("%d bytes came of %d", sum, len(said))
			}
			b.Release()
		}
	})
}

// overheard returns the Conn of a client who says that in steps, and hangs up.
func overheard(t *testing.T, said []byte, step int) transport.Conn {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for k, v := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	nc := &script{in: bytes.NewReader(said), step: step}
	ws, err := acceptAny(&hijacked{httptest.NewRecorder(), nc}, r)
	check(t, err)
	return newConn(ws, nc, "ws://script")
}

// hijacked is a response whose connection is a script.
type hijacked struct {
	http.ResponseWriter
	nc net.Conn
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

// script is a connection that reads what is written down and swallows what is written.
type script struct {
	net.Conn
	in   *bytes.Reader
	step int
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p[:min(len(p), s.step)]) }
func (s *script) Write(p []byte) (int, error) { return len(p), nil }
func (s *script) Close() error                { return nil }

// FuzzHeaders: what a stranger writes into Origin and Host has no way in but those listed.
func FuzzHeaders(f *testing.F) {
	f.Add("https://app.example", "localhost:1")
	f.Add("https://app.example:443@evil", "[::1")
	f.Add("null", "127.0.0.1:80:80")
	f.Fuzz(func(t *testing.T, origin, host string) {
		a, err := newAllowed([]string{"https://app.example"}, []string{"hub.example"})
		check(t, err)
		if o, _ := canonicalOrigin(origin); a.origin([]string{origin}) != (o == "https://app.example") {
			t.Errorf("origin %q", origin)
		}
		if a.host(host, "own.example", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}) && len(host) > len("[0000:0000:0000:0000:0000:ffff:255.255.255.255%]:")+64 {
			t.Errorf("host %q of %d bytes", host, len(host))
		}
	})
}
