// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/plexus-ipc/plexus/transport"
)

// acceptAny upgrades without conditions.
func acceptAny(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	return websocket.Accept(w, r, nil)
}

// stranger speaks to a listener byte by byte.
type stranger struct {
	testing.TB
	nc net.Conn
	r  *bufio.Reader
}

// soon is when a stranger's patience ends; only a failure waits for it.
const soon = 20 * time.Second

func meet(t testing.TB, l transport.Listener) *stranger {
	t.Helper()
	nc, err := net.Dial("tcp", l.Endpoint().Address())
	check(t, err)
	t.Cleanup(func() { nc.Close() })
	check(t, nc.SetDeadline(time.Now().Add(soon)))
	return &stranger{t, nc, bufio.NewReader(nc)}
}

func (s *stranger) say(p []byte) {
	s.Helper()
	if _, err := s.nc.Write(p); err != nil {
		s.Fatal(err)
	}
}

// request is a correct one, with changes: a header of a name replaces, "" removes it.
func request(l transport.Listener, changes map[string]string) []byte {
	headers := map[string]string{
		"Host": l.Endpoint().Address(), "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": Subprotocol,
	}
	line := "GET " + l.Endpoint().Path() + " HTTP/1.1"
	for k, v := range changes {
		if k == "line" {
			line = v
			continue
		}
		headers[k] = v
	}
	var b bytes.Buffer
	b.WriteString(line + "\r\n")
	for k, v := range headers {
		if v != "" {
			b.WriteString(k + ": " + v + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// answer reads the response to a request.
func (s *stranger) answer() *http.Response {
	s.Helper()
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil {
		s.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	_ = resp.Body.Close()
	return resp
}

// gone waits until the listener has hung up.
func (s *stranger) gone() {
	s.Helper()
	if _, err := io.Copy(io.Discard, s.r); errors.Is(err, net.ErrClosed) || isTimeout(err) {
		s.Fatal("the connection is still there:", err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// upgraded makes a connection whose other end is accepted.
func upgraded(t testing.TB, l transport.Listener) (*stranger, transport.Conn) {
	t.Helper()
	s := meet(t, l)
	s.say(request(l, nil))
	if resp := s.answer(); resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != Subprotocol || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("answered %s, %v", resp.Status, resp.Header)
	}
	c, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return s, c
}

// Opcodes and bits of RFC 6455.
const (
	fin, masked                         = 0x80, 0x80
	opContinue, opText, opBinary        = 0, 1, 2
	opClose, opPing, opPong             = 8, 9, 10
	protocolError, unsupported, tooBig_ = 1002, 1003, 1009
)

// part makes a WebSocket frame with the mask 1 2 3 4.
func part(first byte, payload []byte) []byte {
	b := announced(first, uint64(len(payload)))
	for i, x := range payload {
		b = append(b, x^byte(i%4+1))
	}
	return b
}

// announced is the head of a frame that says it is n long.
func announced(first byte, n uint64) []byte {
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, masked|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), n)
	}
	return append(b, 1, 2, 3, 4)
}

// frame is one of Plexus.
func frame(n int) []byte {
	b := bytes.Repeat([]byte{7}, n)
	binary.LittleEndian.PutUint32(b, uint32(n))
	return b
}

// reply reads a frame of the listener's: its opcode and payload.
func (s *stranger) reply() (op byte, payload []byte) {
	s.Helper()
	var head [2]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		s.Fatal(err)
	}
	if head[1] > 125 {
		s.Fatalf("a frame of length code %d", head[1])
	}
	payload = make([]byte, head[1])
	if _, err := io.ReadFull(s.r, payload); err != nil {
		s.Fatal(err)
	}
	return head[0] & 15, payload
}

// closedWith wants a close frame with a code.
func (s *stranger) closedWith(code int) {
	s.Helper()
	op, p := s.reply()
	if op != opClose || len(p) < 2 || int(binary.BigEndian.Uint16(p)) != code {
		s.Fatalf("opcode %d, %x, want close code %d", op, p, code)
	}
	s.gone()
}

// Fault case 10: what strangers and broken peers send to a WebSocket costs them their own
// connection, and a bounded amount of memory. An honest pair talks all the while.
func TestWebSocketAbuse(t *testing.T) {
	d := driver(t, Config{UpgradeTimeout: 500 * time.Millisecond, Origins: []string{"https://app.example"}, MaxPending: 32})
	l := listen(t, d, "ws://127.0.0.1:0/plexus", nil)
	a, err := d.Dial(t.Context(), l.Endpoint(), nil)
	check(t, err)
	defer a.Close()
	b, err := l.Accept()
	check(t, err)
	defer b.Close()
	honest := func(t *testing.T) {
		t.Helper()
		for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
			check(t, way[0].Send(frame(300)))
			got, err := way[1].Recv()
			check(t, err)
			if !bytes.Equal(got.Bytes(), frame(300)) {
				t.Error("the honest pair receives something else")
			}
			got.Release()
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t.Run("refused", func(t *testing.T) { refusedRequests(t, l, honest) })
	t.Run("frames", func(t *testing.T) { abusedFrames(t, l, honest) })
	t.Run("endless header", func(t *testing.T) { endlessHeader(t, l); honest(t) })
	t.Run("slow upgrade", func(t *testing.T) { slowUpgrade(t, l); honest(t) })
	t.Run("fragments", func(t *testing.T) { fragments(t, l); honest(t) })
	t.Run("flood", func(t *testing.T) { flood(t, d, l); honest(t) })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes stay after it all", grown)
	}
	t.Run("counted", func(t *testing.T) {
		got := d.Refusals()
		if got.Origin != 5 || got.Host != 3 || got.Path != 2 || got.Protocol < 7 || got.Full == 0 || got.Ended < 17 {
			t.Errorf("refusals are counted as %+v", got)
		}
	})
}

func refusedRequests(t *testing.T, l transport.Listener, honest func(*testing.T)) {
	for name, c := range map[string]struct {
		changes map[string]string
		code    int
	}{
		"foreign origin":     {map[string]string{"Origin": "https://evil.example"}, 403},
		"origin of the host": {map[string]string{"Origin": "http://" + l.Endpoint().Address()}, 403},
		"origin null":        {map[string]string{"Origin": "null"}, 403},
		"suffixed origin":    {map[string]string{"Origin": "https://app.example.evil"}, 403},
		"other scheme":       {map[string]string{"Origin": "http://app.example"}, 403},
		"foreign host":       {map[string]string{"Host": "evil.example"}, 403},
		"rebound host":       {map[string]string{"Host": "127.0.0.1.evil.example:4200"}, 403},
		"host of all":        {map[string]string{"Host": "0.0.0.0"}, 403},
		"no host":            {map[string]string{"Host": ""}, 400},
		"other path":         {map[string]string{"line": "GET / HTTP/1.1"}, 404},
		"path above":         {map[string]string{"line": "GET /plexus/../x HTTP/1.1"}, 404},
		"wrong subprotocol":  {map[string]string{"Sec-WebSocket-Protocol": "plexus.v2, mqtt"}, 400},
		"other case":         {map[string]string{"Sec-WebSocket-Protocol": "PLEXUS.V1"}, 400},
		"no subprotocol":     {map[string]string{"Sec-WebSocket-Protocol": ""}, 400},
		"no upgrade":         {map[string]string{"Upgrade": ""}, 426},
		"old version":        {map[string]string{"Sec-WebSocket-Version": "8"}, 400},
		"short key":          {map[string]string{"Sec-WebSocket-Key": "AAAA"}, 400},
		"post":               {map[string]string{"line": "POST /plexus HTTP/1.1"}, 405},
		"no http":            {map[string]string{"line": "\x00\x01\x02"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := meet(t, l)
			s.say(request(l, c.changes))
			resp := s.answer()
			if resp.StatusCode != c.code {
				t.Errorf("status %d, want %d", resp.StatusCode, c.code)
			}
			if len(resp.Cookies()) > 0 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the answer opens something: %v", resp.Header)
			}
			s.gone()
			honest(t)
		})
	}
}

func abusedFrames(t *testing.T, l transport.Listener, honest func(*testing.T)) {
	unmasked := append([]byte{fin | opBinary, 8}, frame(8)...)
	tooLong := announced(fin|opBinary, 1<<40)
	for name, c := range map[string]struct {
		say  []byte
		code int
		is   func(error) bool
	}{
		"oversized message":   {append(tooLong, make([]byte, MaxMessage+1)...), tooBig_, isError},
		"length with top bit": {announced(fin|opBinary, 1<<63|1), protocolError, isError},
		"unmasked":            {unmasked, protocolError, isError},
		"text":                {part(fin|opText, []byte("hello")), unsupported, isError},
		"long control":        {part(fin|opPing, make([]byte, 126)), protocolError, isError},
		"fragmented control":  {part(opPing, []byte("x")), protocolError, isError},
		"reserved bit":        {part(fin|0x40|opBinary, frame(8)), protocolError, isError},
		"unknown opcode":      {part(fin|5, frame(8)), protocolError, isError},
		"lone continuation":   {part(fin|opContinue, frame(8)), protocolError, isError},
		"new in a fragment":   {append(part(opBinary, frame(8)), part(fin|opBinary, frame(8))...), protocolError, isError},
		"bad close":           {part(fin|opClose, []byte{1}), protocolError, isError},
		"cut frame":           {part(fin|opBinary, frame(20)[:19]), protocolError, isCut},
		"empty message":       {part(fin|opBinary, nil), protocolError, isCut},
		"impossible frame":    {part(fin|opBinary, binary.LittleEndian.AppendUint32(nil, transport.MaxFrame+1)), protocolError, isFrameError},
		"tiny frame":          {part(fin|opBinary, []byte{7, 0, 0, 0, 0, 0, 0, 0}), protocolError, isFrameError},
	} {
		t.Run(name, func(t *testing.T) {
			s, conn := upgraded(t, l)
			s.say(part(fin|opBinary, frame(50)))
			s.say(c.say)
			got, err := conn.Recv()
			check(t, err)
			got.Release()
			if got, err = conn.Recv(); err == nil || !c.is(err) {
				t.Errorf("%v, %v", got, err)
			}
			s.closedWith(c.code)
			honest(t)
		})
	}
	t.Run("hangs up", func(t *testing.T) {
		s, conn := upgraded(t, l)
		s.say(announced(fin|opBinary, 100))
		s.nc.Close()
		if _, err := conn.Recv(); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
		honest(t)
	})
}

func isError(err error) bool {
	var te *transport.Error
	return errors.As(err, &te) && te.Op == "receive" && !errors.Is(err, net.ErrClosed)
}
func isCut(err error) bool { return err == io.ErrUnexpectedEOF }
func isFrameError(err error) bool {
	var fe *transport.FrameError
	return errors.As(err, &fe)
}

// endlessHeader: a header without an end is cut off.
func endlessHeader(t *testing.T, l transport.Listener) {
	s := meet(t, l)
	s.say(bytes.TrimSuffix(request(l, nil), []byte("\r\n")))
	line := []byte("X-More: " + strings.Repeat("x", 1000) + "\r\n")
	for sent := 0; ; sent += len(line) {
		if _, err := s.nc.Write(line); err != nil {
			return // cut, and the answer lost with it
		}
		if sent > 32<<20 {
			t.Fatal("a header of 32 MiB is taken")
		}
	}
}

// slowUpgrade: who does not finish his request is cut off.
func slowUpgrade(t *testing.T, l transport.Listener) {
	whole := request(l, nil)
	for _, n := range []int{0, 1, len(whole) - 1} {
		s := meet(t, l)
		s.say(whole[:n])
		s.gone()
	}
}

// fragments: a message in parts, with control frames between them, is a message.
func fragments(t *testing.T, l transport.Listener) {
	s, c := upgraded(t, l)
	p := append(frame(1000), frame(5000)...)
	s.say(part(opBinary, p[:1]))
	s.say(part(fin|opPing, []byte("are you there")))
	s.say(part(opContinue, nil))
	s.say(part(fin|opPong, []byte("nobody asked")))
	s.say(part(opContinue, p[1:999]))
	s.say(part(fin|opPing, nil))
	s.say(part(fin|opContinue, p[999:]))
	for _, want := range []string{"are you there", ""} {
		if op, got := s.reply(); op != opPong || string(got) != want {
			t.Errorf("opcode %d, %q instead of the pong %q", op, got, want)
		}
	}
	for _, n := range []int{1000, 5000} {
		b, err := c.Recv()
		check(t, err)
		if !bytes.Equal(b.Bytes(), frame(n)) {
			t.Errorf("a frame of %d bytes is another", n)
		}
		b.Release()
	}
	s.say(part(fin|opClose, []byte{3, 0xe8}))
	if _, err := c.Recv(); err != io.EOF {
		t.Error(err)
	}
	s.closedWith(1000)
}

// flood: silent connections beyond MaxPending are closed at once, and when they have had their
// time, others get in again.
func flood(t *testing.T, d *Transport, l transport.Listener) {
	var all []*stranger
	for range 3 * 32 {
		all = append(all, meet(t, l))
	}
	for _, s := range all {
		s.gone()
	}
	if got := d.Refusals().Full; got < 32 {
		t.Errorf("%d were refused at once", got)
	}
	s, _ := upgraded(t, l)
	s.say(part(fin|opClose, nil))
	s.gone()
}

// Who is upgraded and not accepted is bounded, too, and Close leaves none.
func TestUnaccepted(t *testing.T) {
	d := driver(t, Config{MaxPending: 3})
	l := listen(t, d, "ws://127.0.0.1:0/x", nil)
	var in []*stranger
	for range 3 {
		s := meet(t, l)
		s.say(request(l, nil))
		if resp := s.answer(); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp.Status)
		}
		in = append(in, s)
	}
	beyond := meet(t, l)
	beyond.say(request(l, nil))
	if resp := beyond.answer(); resp.StatusCode != http.StatusServiceUnavailable {
		t.Error(resp.Status)
	}
	idle := meet(t, l)
	check(t, l.Close())
	for _, s := range append(in, idle) {
		s.gone()
	}
}

// Slow bytes of a long message cost about what they are.
func TestMessageMemory(t *testing.T) {
	for _, n := range []int{8, 1000, 1024, 1025, 5000, MaxMessage} {
		b, err := readMessage(bytes.NewReader(make([]byte, n)), make([]byte, 1))
		check(t, err)
		if b.Len() != n {
			t.Errorf("%d of %d bytes", b.Len(), n)
		}
		b.Release()
	}
	if _, err := readMessage(io.MultiReader(bytes.NewReader(make([]byte, MaxMessage)), &failing{n: 2}), make([]byte, 1)); err == nil || err.Error() != "limit" {
		t.Error(err)
	}
}

// failing gives some bytes and then an error.
type failing struct{ n int }

func (f *failing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, fmt.Errorf("limit")
	}
	f.n--
	return 1, nil
}
