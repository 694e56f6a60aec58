// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/noise"
	"github.com/plexus-ipc/plexus/transport/socket"
)

func set(t testing.TB, cfg noise.Config) *transport.Set {
	t.Helper()
	d, err := noise.New(socket.TCP(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := transport.NewSet(d)
	return &s
}

// wiretap passes TCP on, and keeps what went by.
type wiretap struct {
	l    net.Listener
	to   string
	mu   sync.Mutex
	seen bytes.Buffer
	wg   sync.WaitGroup
}

func tap(t testing.TB, to string) *wiretap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{l: l, to: to}
	w.wg.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", w.to)
			if err != nil {
				_ = a.Close()
				continue
			}
			w.wg.Go(func() { w.pass(a, b) })
			w.wg.Go(func() { w.pass(b, a) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); w.wg.Wait() })
	return w
}

func (w *wiretap) pass(to, from net.Conn) {
	_, _ = io.Copy(to, io.TeeReader(from, w))
	_, _ = to.Close(), from.Close()
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.Write(p)
}

func (w *wiretap) saw(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.seen.Bytes(), []byte(text))
}

// A call over Noise: each side knows the other by its key, and who listens in learns neither
// the names nor the values. Over TCP the same tap reads both.
func TestNothingInTheClear(t *testing.T) {
	server, client := noise.GeneratePrivateKey(), noise.GeneratePrivateKey()
	srv, err := plexus.Listen("noise+tcp://127.0.0.1:0", &plexus.ListenOptions{
		ID: "telling-id", Transports: set(t, noise.Config{Private: server, Admit: noise.Only(client.Public())}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var who string
	_, err = plexus.Handle(srv, "whisper", func(ctx context.Context, in string) (string, error) {
		env, _ := plexus.EnvelopeOf(ctx)
		who = env.Session.Peer().Identity.Name
		return "answer to " + in, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Bind(t.Context(), "noise+tcp://localhost:0"); err != nil {
		t.Fatal(err)
	}
	ep, err := endpoint.Parse(srv.Endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	w := tap(t, ep.Address())
	o := &plexus.DialOptions{Transports: set(t, noise.Config{Private: client, Server: server.Public()})}
	c, err := plexus.Dial(t.Context(), "noise+tcp://"+w.l.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := plexus.Call[string](t.Context(), c, "whisper", "buried-treasure")
	if err != nil || out != "answer to buried-treasure" {
		t.Fatal(out, err)
	}
	if who != client.Public().Name() {
		t.Errorf("the caller is %q, want %q", who, client.Public().Name())
	}
	for _, text := range []string{"buried-treasure", "answer to", "whisper", "telling-id", "nonce"} {
		if w.saw(text) {
			t.Errorf("%q was seen on the way", text)
		}
	}
	if !w.saw("plxnois") {
		t.Error("the tap saw nothing at all")
	}
}

// A secret over Noise is bound to the connection: who has the Noise key, but not the secret, cannot
// stand between two that have both and pass their proofs on.
func TestSecretIsBoundToTheConnection(t *testing.T) {
	keys := noise.Config{Shared: noise.GenerateKey()}
	secret := []byte("only these two know it, not the third")
	srv, err := plexus.Listen("noise+tcp://127.0.0.1:0", &plexus.ListenOptions{Secret: secret, Transports: set(t, keys)})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	honest, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{Secret: secret, Transports: set(t, keys)})
	if err != nil {
		t.Fatal(err)
	}
	_ = honest.Close()

	between := relay(t, set(t, keys), srv.Endpoints()[0])
	_, err = plexus.Dial(t.Context(), between, &plexus.DialOptions{Secret: secret, Transports: set(t, keys), Session: session.Config{}})
	if status.CodeOf(err) != status.Unauthenticated {
		t.Errorf("through a third: %v", err)
	}
}

// relay ends Noise on both sides and passes the frames on.
func relay(t testing.TB, s *transport.Set, to string) string {
	t.Helper()
	at, _ := endpoint.Parse("noise+tcp://127.0.0.1:0")
	l, err := s.Listen(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		a, err := l.Accept()
		if err != nil {
			return
		}
		ep, _ := endpoint.Parse(to)
		b, err := s.Dial(context.Background(), ep, nil)
		if err != nil {
			_ = a.Close()
			return
		}
		wg.Go(func() { forward(a, b) })
		wg.Go(func() { forward(b, a) })
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Endpoint().String()
}

func forward(to, from transport.Conn) {
	for {
		b, err := from.Recv()
		if err != nil {
			break
		}
		err = to.Send(b.Bytes())
		b.Release()
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
}

// Without the driver the address is refused with a typed error.
func TestNotInTheSet(t *testing.T) {
	_, err := plexus.Dial(t.Context(), "noise+tcp://127.0.0.1:9", nil)
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	_, err = plexus.Listen("noise+tcp://127.0.0.1:0", nil)
	if !errors.Is(err, errors.ErrUnsupported) || status.CodeOf(err) != status.Unsupported {
		t.Error(err)
	}
}

// keyFile writes a key into a new file.
func keyFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	return path
}

// A daemon with keys in files: who is in the list is let in under the name of his key, who is
// taken out of it is not let in again, and a list that is broken changes nothing.
func TestNoiseFiles(t *testing.T) {
	hub, ann, bob := noise.GeneratePrivateKey(), noise.GeneratePrivateKey(), noise.GeneratePrivateKey()
	list := keyFile(t, ann.Public().String()+" # ann\n\n# nobody else yet")
	d := start(t, daemon.Config{
		Listen: []string{"noise+tcp://127.0.0.1:0"}, Noise: daemon.NoiseFiles{Private: keyFile(t, hub.Text()), Admit: list},
	})
	dial := func(k noise.PrivateKey) error {
		files := daemon.NoiseFiles{Private: keyFile(t, k.Text()), Server: hub.Public().String()}
		more, err := files.Drivers(nil)
		must(t, err)
		c, err := plexus.Dial(t.Context(), d.Endpoints()[0], &plexus.DialOptions{More: more})
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Operate(t.Context(), operation.Status, operation.Empty{}, nil)
	}
	must(t, dial(ann))
	if err := dial(bob); status.CodeOf(err) != status.PermissionDenied {
		t.Errorf("bob: %v", err)
	}
	must(t, os.WriteFile(list, []byte(ann.Public().String()+"\n"+bob.Public().String()+"\n"), 0o600))
	must(t, dial(bob))
	must(t, os.WriteFile(list, []byte("rubbish"), 0o600))
	must(t, dial(ann))
	must(t, os.WriteFile(list, []byte(bob.Public().String()), 0o600))
	must(t, dial(bob))
	if dial(ann) == nil {
		t.Error("ann was taken out of the list and is let in")
	}
	if runtime.GOOS == "windows" {
		return
	}
	must(t, os.Chmod(list, 0o602)) // whatever the mask
	must(t, os.WriteFile(list, []byte(ann.Public().String()+" # by anybody"), 0o602))
	must(t, dial(bob))
	if dial(ann) == nil {
		t.Error("ann has put herself on a list that every user can write")
	}
	if _, err := (&daemon.NoiseFiles{Private: keyFile(t, hub.Text()), Admit: list}).Drivers(nil); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("a list that every user can write: %v", err)
	}
}

// changed is a text with another last character.
func changed(text string) string {
	last := text[len(text)-1]
	if last == 'A' {
		return text[:len(text)-1] + "Q"
	}
	return text[:len(text)-1] + "A"
}

// What is missing or wrong is said before anything is bound.
func TestNoiseFilesThatAreWrong(t *testing.T) {
	k := noise.GeneratePrivateKey()
	for want, files := range map[string]daemon.NoiseFiles{
		"needs a shared key":   {},
		"cannot be read":       {Shared: filepath.Join(t.TempDir(), "nothing")},
		"another kind of key":  {Shared: keyFile(t, k.Text())},
		"check sum":            {Private: keyFile(t, changed(k.Text())), Admit: keyFile(t, k.Public().String())},
		"line 2":               {Private: keyFile(t, k.Text()), Admit: keyFile(t, "# first\nsecond")},
		"has no key in it":     {Private: keyFile(t, k.Text()), Admit: keyFile(t, "# nobody")},
		"--noise-server":       {Shared: keyFile(t, noise.GenerateKey().Text()), Server: "somebody"},
		"only with a private":  {Shared: keyFile(t, noise.GenerateKey().Text()), Server: k.Public().String()},
		"admit: name their fi": {Private: keyFile(t, k.Text())},
	} {
		_, err := daemon.New(daemon.Config{Listen: []string{"noise+tcp://127.0.0.1:0"}, Noise: files})
		if status.CodeOf(err) != status.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// Strangers who connect and say nothing, or half of something, delay nobody, and are cut when their
// time is up.
func TestSilentStrangers(t *testing.T) {
	key := noise.GenerateKey()
	d, err := noise.New(socket.TCP(), noise.Config{Shared: key, HandshakeTimeout: 200 * time.Millisecond})
	must(t, err)
	srv, err := plexus.Listen("noise+tcp://127.0.0.1:0", &plexus.ListenOptions{More: []transport.Transport{d}})
	must(t, err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "echo", func(_ context.Context, s string) (string, error) { return s, nil })
	must(t, err)
	ep, err := endpoint.Parse(srv.Endpoints()[0])
	must(t, err)
	var strangers []net.Conn
	for i := range 100 {
		nc, err := net.Dial("tcp", ep.Address())
		must(t, err)
		defer nc.Close()
		_, err = io.WriteString(nc, "plxnois\x11\x00\x30 and so on"[:i%20])
		must(t, err)
		strangers = append(strangers, nc)
	}
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{More: []transport.Transport{d}})
	must(t, err)
	defer c.Close()
	if out, err := plexus.Call[string](t.Context(), c, "echo", "x"); out != "x" || err != nil {
		t.Error(out, err)
	}
	for _, nc := range strangers {
		must(t, nc.SetReadDeadline(time.Now().Add(20*time.Second)))
		if n, err := nc.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a stranger is answered, or still there: %d bytes, %v", n, err)
		}
	}
}
