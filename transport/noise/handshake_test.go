// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

var (
	serverKey, clientKey, otherKey  = GeneratePrivateKey(), GeneratePrivateKey(), GeneratePrivateKey()
	sharedKey, oldKey, strangersKey = GenerateKey(), GenerateKey(), GenerateKey()
)

// meet dials a listener and has both sides settle. It returns the errors of both.
func meet(t testing.TB, listen, dial Config) (a, b transport.Conn, dialled, accepted error) {
	t.Helper()
	l, err := driver(t, listen).Listen(t.Context(), parse(t, "noise+tcp://127.0.0.1:0"), nil)
	check(t, err)
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		var err error
		if b, err = l.Accept(); err == nil {
			_, err = b.(transport.Binder).ChannelBinding()
			if err != nil {
				_ = b.Close()
			}
		}
		served <- err
	}()
	a, dialled = driver(t, dial).Dial(t.Context(), l.Endpoint(), nil)
	accepted = <-served
	t.Cleanup(func() {
		if a != nil {
			_ = a.Close()
		}
		_ = b.Close()
	})
	return a, b, dialled, accepted
}

func pairs(private PrivateKey, server PublicKey) Config {
	return Config{Private: private, Server: server}
}

// Who has the right keys is let in under his name, everybody else is not, on either side.
func TestWhoIsLetIn(t *testing.T) {
	admit := Config{Private: serverKey, Admit: Only(clientKey.Public())}
	for _, c := range []struct {
		what         string
		listen, dial Config
		names        [2]string // what the listener, the dialler says of the other
		dialled      error     // nil: told by the first Recv in XK, which is where the listener decides
		accepted     error
	}{
		{"shared", Config{Shared: sharedKey}, Config{Shared: sharedKey}, [2]string{}, nil, nil},
		{"the old shared key, during rotation", Config{Shared: sharedKey, Previous: []Key{strangersKey, oldKey}}, Config{Shared: oldKey}, [2]string{}, nil, nil},
		{"another shared key", Config{Shared: sharedKey}, Config{Shared: strangersKey}, [2]string{}, ErrKeys, ErrKeys},
		{"the old shared key, after rotation", Config{Shared: sharedKey}, Config{Shared: oldKey}, [2]string{}, ErrKeys, ErrKeys},
		{"pairs", admit, pairs(clientKey, serverKey.Public()), [2]string{clientKey.Public().Name(), serverKey.Public().Name()}, nil, nil},
		{"somebody else's pair", admit, pairs(otherKey, serverKey.Public()), [2]string{}, nil, ErrKeys},
		{"another server", admit, pairs(clientKey, otherKey.Public()), [2]string{}, ErrKeys, ErrKeys},
		{"anyone", Config{Private: serverKey, Admit: Anyone}, pairs(otherKey, serverKey.Public()), [2]string{otherKey.Public().Name(), serverKey.Public().Name()}, nil, nil},
		{"both", Config{Private: serverKey, Shared: sharedKey}, Config{Private: clientKey, Server: serverKey.Public(), Shared: sharedKey}, [2]string{clientKey.Public().Name(), serverKey.Public().Name()}, nil, nil},
		{"both, old shared key", Config{Private: serverKey, Shared: sharedKey, Previous: []Key{oldKey}}, Config{Private: clientKey, Server: serverKey.Public(), Shared: oldKey}, [2]string{clientKey.Public().Name(), serverKey.Public().Name()}, nil, nil},
		{"both needed, one given", Config{Private: serverKey, Shared: sharedKey}, pairs(clientKey, serverKey.Public()), [2]string{}, ErrKeys, ErrKeys},
		{"both given, one asked for", admit, Config{Private: clientKey, Server: serverKey.Public(), Shared: sharedKey}, [2]string{}, ErrKeys, ErrKeys},
		{"pairs against shared", Config{Shared: sharedKey}, pairs(clientKey, serverKey.Public()), [2]string{}, ErrKeys, ErrProtocol},
		{"shared against pairs", admit, Config{Shared: sharedKey}, [2]string{}, ErrKeys, ErrProtocol},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b, dialled, accepted := meet(t, c.listen, c.dial)
			if !errors.Is(dialled, c.dialled) || !errors.Is(accepted, c.accepted) {
				t.Fatalf("dialler: %v, want %v\nlistener: %v, want %v", dialled, c.dialled, accepted, c.accepted)
			}
			if dialled != nil {
				return
			}
			if accepted != nil {
				if _, err := a.Recv(); !errors.Is(err, ErrKeys) || !errors.Is(err, transport.ErrDenied) {
					t.Errorf("the dialler hears %v", err)
				}
				return
			}
			names := [2]string{b.(transport.Namer).PeerName(), a.(transport.Namer).PeerName()}
			if names != c.names {
				t.Errorf("names %q, want %q", names, c.names)
			}
			x, _ := a.(transport.Binder).ChannelBinding()
			y, _ := b.(transport.Binder).ChannelBinding()
			if !bytes.Equal(x, y) || len(x) != 32 {
				t.Errorf("bindings %x and %x", x, y)
			}
		})
	}
}

// No two connections have the same binding, and Admit is asked for each anew.
func TestEachConnectionAnew(t *testing.T) {
	var allowed PublicKey = clientKey.Public()
	listen := Config{Private: serverKey, Admit: func(k PublicKey) bool { return k == allowed }}
	a, _, _, err := meet(t, listen, pairs(clientKey, serverKey.Public()))
	check(t, err)
	b, _, _, err := meet(t, listen, pairs(clientKey, serverKey.Public()))
	check(t, err)
	x, _ := a.(transport.Binder).ChannelBinding()
	y, _ := b.(transport.Binder).ChannelBinding()
	if bytes.Equal(x, y) {
		t.Error("two connections have the same binding")
	}
	allowed = otherKey.Public()
	if _, _, _, err = meet(t, listen, pairs(clientKey, serverKey.Public())); !errors.Is(err, ErrKeys) {
		t.Errorf("a key that was withdrawn is let in: %v", err)
	}
}

// What cannot be meant is refused before anything is bound or dialled.
func TestConfig(t *testing.T) {
	for what, cfg := range map[string]Config{
		"nothing":                {},
		"too many previous":      {Shared: sharedKey, Previous: make([]Key, 5)},
		"a zero previous":        {Shared: sharedKey, Previous: make([]Key, 1)},
		"previous alone":         {Private: serverKey, Previous: []Key{oldKey}},
		"server without private": {Shared: sharedKey, Server: serverKey.Public()},
		"admit without private":  {Shared: sharedKey, Admit: Anyone},
	} {
		if _, err := New(socket.TCP(), cfg); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	at := parse(t, "noise+tcp://127.0.0.1:0")
	if l, err := driver(t, Config{Private: serverKey}).Listen(t.Context(), at, nil); err == nil {
		_ = l.Close()
		t.Error("a listener that admits nobody listens")
	}
	if _, err := driver(t, Config{Private: clientKey}).Dial(t.Context(), at, nil); err == nil {
		t.Error("a dialler that does not know the listener's key dials")
	}
}

// A peer that speaks something else is told from its first bytes and cut at once.
func TestWrongProtocol(t *testing.T) {
	for _, hello := range []string{
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01", "\x10\x00\x00\x00PLEXUS\x01\x00", "p", "plxnois\x99", "\x00",
		"plxnois\x11\x00\x31" + strings.Repeat("x", 60), "plxnois\x11" + strings.Repeat("\xff", 60),
	} {
		t.Run("listener/"+hello[:1], func(t *testing.T) {
			l, err := driver(t, Config{Shared: sharedKey}).Listen(t.Context(), parse(t, "noise+tcp://127.0.0.1:0"), nil)
			check(t, err)
			defer l.Close()
			nc, err := net.Dial("tcp", l.Endpoint().Address())
			check(t, err)
			defer nc.Close()
			_, err = io.WriteString(nc, hello)
			check(t, err)
			if hello == "p" {
				check(t, nc.(*net.TCPConn).CloseWrite())
			}
			c, err := l.Accept()
			check(t, err)
			defer c.Close()
			began := time.Now()
			_, err = c.Recv()
			if hello != "p" && !errors.Is(err, ErrProtocol) || err == nil {
				t.Errorf("%q: %v", hello, err)
			}
			if took := time.Since(began); took > DefaultHandshakeTimeout/2 {
				t.Errorf("%q: it took %v", hello, took)
			}
			check(t, c.Close())
			if rest, _ := io.ReadAll(nc); len(rest) > 0 {
				t.Errorf("%q is answered %q", hello, rest)
			}
		})
	}
	t.Run("dialler", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		go func() {
			if nc, err := l.Accept(); err == nil {
				_, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
				_, _ = io.Copy(io.Discard, nc)
				_ = nc.Close()
			}
		}()
		_, err = driver(t, Config{Shared: sharedKey}).Dial(t.Context(), parse(t, "noise+tcp://"+l.Addr().String()), nil)
		if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "HT") {
			t.Error(err)
		}
	})
}

// A peer that stops in the middle of the handshake is cut in time, wherever it stops.
func TestStalledHandshake(t *testing.T) {
	cfg := Config{Private: serverKey, Shared: sharedKey, HandshakeTimeout: 50 * time.Millisecond}
	var whole bytes.Buffer // what an honest dialler sends first
	dial := Config{Private: clientKey, Server: serverKey.Public(), Shared: sharedKey}
	_, _ = dial.dial(&script{out: &whole}, nil)
	for _, stop := range []int{0, 1, preambleSize, preambleSize + 1, preambleSize + 20, whole.Len() - 1, whole.Len()} {
		l, err := driver(t, cfg).Listen(t.Context(), parse(t, "noise+tcp://127.0.0.1:0"), nil)
		check(t, err)
		nc, err := net.Dial("tcp", l.Endpoint().Address())
		check(t, err)
		_, err = nc.Write(whole.Bytes()[:stop])
		check(t, err)
		c, err := l.Accept()
		check(t, err)
		if _, err := c.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: %v", stop, err)
		}
		_, _, _ = c.Close(), nc.Close(), l.Close()
	}
	t.Run("dialler", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		if _, err := driver(t, cfg2(dial)).Dial(t.Context(), parse(t, "noise+tcp://"+l.Addr().String()), nil); err == nil || !os.IsTimeout(errors.Unwrap(err)) {
			t.Error(err)
		}
	})
}

func cfg2(c Config) Config {
	c.HandshakeTimeout = 50 * time.Millisecond
	return c
}

// script is a peer that says what stands in it, and keeps what it is told.
type script struct {
	in  io.Reader
	out *bytes.Buffer
}

func (s *script) Write(p []byte) (int, error) {
	if s.out == nil {
		return len(p), nil
	}
	return s.out.Write(p)
}

func (s *script) Read(p []byte) (int, error) {
	if s.in == nil {
		return 0, io.EOF
	}
	return s.in.Read(p)
}

// fixed is a source of ephemeral keys that are known beforehand.
func fixed(b byte) io.Reader { return bytes.NewReader(bytes.Repeat([]byte{b}, 32)) }

func mustPrivate(b byte) PrivateKey {
	k, err := newPrivateKey(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		panic(err)
	}
	return k
}

// vectorKeys are the keys of the test vectors in docs/noise.md.
var vectorKeys = struct {
	shared         Key
	client, server PrivateKey
}{Key{[32]byte(bytes.Repeat([]byte{1}, 32))}, mustPrivate(2), mustPrivate(3)}

// The bytes of a whole conversation under known keys, which docs/noise.md lists.
func TestVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/noise.md")
	check(t, err)
	v := vectorKeys
	for name, cfgs := range map[string][2]Config{
		"NNpsk0": {{Shared: v.shared}, {Shared: v.shared}},
		"XK":     {{Private: v.client, Server: v.server.Public()}, {Private: v.server, Admit: Anyone}},
		"XKpsk0": {{Private: v.client, Server: v.server.Public(), Shared: v.shared}, {Private: v.server, Shared: v.shared}},
	} {
		a, b := net.Pipe()
		said := [2]*tee{{ReadWriter: a}, {ReadWriter: b}}
		done := make(chan *outcome, 1)
		go func() {
			o, err := cfgs[1].accept(said[1], fixed(5))
			if err != nil {
				t.Error(err)
			}
			done <- o
		}()
		o, err := cfgs[0].dial(said[0], fixed(4))
		check(t, err)
		<-done
		record, err := o.out.seal(nil, []byte("hello"))
		check(t, err)
		for what, p := range map[string][]byte{"dialler": said[0].b, "listener": said[1].b, "binding": o.binding, "record": record} {
			if line := "`" + hex.EncodeToString(p) + "`"; !bytes.Contains(page, []byte(line)) {
				t.Errorf("docs/noise.md lacks, for %s, the %s %s", name, what, line)
			}
		}
		_, _ = a.Close(), b.Close()
	}
}

// tee keeps what is written.
type tee struct {
	io.ReadWriter
	b []byte
}

func (t *tee) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	return t.ReadWriter.Write(p)
}

func TestKeys(t *testing.T) {
	k, p := GenerateKey(), GeneratePrivateKey()
	if again, err := ParseKey(k.Text() + "\n"); err != nil || again != k {
		t.Error(err)
	}
	if again, err := ParsePrivateKey(p.Text()); err != nil || again != p {
		t.Error(err)
	}
	if again, err := ParsePublicKey(p.Public().String()); err != nil || again != p.Public() {
		t.Error(err)
	}
	for _, f := range []string{"%v", "%s", "%x", "%d", "%+v", "%#v", "%q"} {
		for _, secret := range []any{k, p, &k, &p, Config{Shared: k, Private: p}} {
			said := sprintf(f, secret)
			if strings.Contains(said, hex.EncodeToString(k.b[:4])) || strings.Contains(said, hex.EncodeToString(p.b[:4])) || strings.Contains(said, k.Text()) || strings.Contains(said, p.Text()) {
				t.Errorf("%s of %T shows it: %s", f, secret, said)
			}
		}
	}
	_, err := ParseKey(p.Text())
	_, err2 := ParsePublicKey(p.Text())
	_, err3 := ParsePrivateKey(p.Public().String())
	_, err4 := ParseKey(Key{}.Text())
	_, err5 := ParsePublicKey(PublicKey{}.String())
	for _, err := range []error{err, err2, err3, err4, err5} {
		if err == nil || strings.Contains(err.Error(), p.Text()[len(p.Text())-10:]) {
			t.Errorf("one kind of key is taken for another: %v", err)
		}
	}
	if n := p.Public().Name(); !strings.HasPrefix(n, "noise:") || len(n) != 6+32 {
		t.Error(n)
	}
}
