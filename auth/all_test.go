// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

// slow is a mechanism of three messages, in which the client is done before the server.
type slow struct{ name string }

func (s slow) Name() string { return s.name }

func (s slow) Client(b Binding) Exchange {
	return s.script(b, speak("", "1"), speak("2", "3"))
}

func (s slow) Server(b Binding) Exchange {
	return s.script(b, speak("1", "2"), speak("3", ""))
}

func (s slow) script(b Binding, steps ...step) Exchange {
	return &script{other: identify(s.name, s.name+":x", b.Peer), steps: steps}
}

// speak expects one message and sends another.
func speak(want, out string) step {
	return func(in []byte) ([]byte, error) {
		if string(in) != want {
			return nil, status.Errorf(status.Protocol, "got %q, want %q", in, want)
		}
		return []byte(out), nil
	}
}

func TestAllShape(t *testing.T) {
	p, s := PeerCredentials(Allow{}), secret(t, "0123456789abcdef")
	for _, c := range []struct {
		got  Mechanism
		want string
	}{
		{All(), "none"},
		{All(None(), None()), "none"},
		{All(s), "secret"},
		{All(s, None()), "secret"},
		{All(p, s), "peer+secret"},
		{All(s, p), "peer+secret"},
		{All(slow{"token"}, All(s, p)), "peer+secret+token"},
	} {
		if c.got.Name() != c.want {
			t.Errorf("%s, want %s", c.got.Name(), c.want)
		}
	}
}

func TestAllRuns(t *testing.T) {
	a := connection("a")
	b := a
	b.Peer = unixPeer(1000, 1000, 1)
	s := secret(t, "0123456789abcdef")
	ok, no := PeerCredentials(Allow{UIDs: []int{1000}}), PeerCredentials(Allow{UIDs: []int{1}})
	for _, c := range []struct {
		name           string
		client, server Exchange
		code           status.Code
		who            string
	}{
		{"both", All(ok, s).Client(a), All(s, ok).Server(b), status.OK, "uid:1000"},
		{"wrong user", All(ok, s).Client(a), All(no, s).Server(b), status.PermissionDenied, ""},
		{"wrong secret", All(ok, secret(t, "x")).Client(a), All(ok, s).Server(b), status.Unauthenticated, ""},
		{"no credentials", All(ok, s).Client(a), All(ok, s).Server(a), status.Unauthenticated, ""},
		{"secret alone", s.Client(a), All(ok, s).Server(b), status.Protocol, ""},
		{"different length", All(s, slow{"z"}).Client(a), All(s, slow{"z"}).Server(a), status.OK, "z:x"},
		{"three", All(s, slow{"z"}, slow{"b"}, ok).Client(a), All(slow{"b"}, s, ok, slow{"z"}).Server(b), status.OK, "b:x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := converse(c.client, c.server); status.CodeOf(err) != c.code {
				t.Fatalf("got %v, want %v", err, c.code)
			}
			if id := c.server.Identity(); id.Name != c.who {
				t.Fatalf("identity %v", id)
			}
		})
	}
}

func TestAllMessages(t *testing.T) {
	a := connection("a")
	a.Peer = unixPeer(1000, 1000, 1)
	m := All(PeerCredentials(Allow{UIDs: []int{1000}}), secret(t, "0123456789abcdef"))
	good, _, _ := m.Client(a).Step(nil)
	if !bytes.HasPrefix(good, []byte{0, 0, 32, 0}) || len(good) != 36 {
		t.Fatalf("layout % x", good)
	}
	bad := [][]byte{append(bytes.Clone(good), 0), {1, 0, 9, 32, 0}, {0, 0, 255, 255}, make([]byte, MaxStep+1)}
	for i := range good {
		bad = append(bad, good[:i], flipped(good, i))
	}
	for _, message := range bad {
		s := m.Server(a)
		if _, done, err := s.Step(message); done || err == nil {
			t.Fatalf("took % x", message)
		}
		if _, done, err := s.Step(good); done || err == nil || s.Identity() != nobody() {
			t.Fatal("an exchange that failed came to life again")
		}
	}
	s := m.Server(a)
	s.Step(good)
	if _, done, err := s.Step(nil); done || err == nil {
		t.Fatal("a message after the end")
	}
}

func TestJoinLimit(t *testing.T) {
	if _, err := join([][]byte{make([]byte, MaxStep-4), nil}); err != nil {
		t.Error(err)
	}
	if _, err := join([][]byte{make([]byte, MaxStep-4), {1}}); status.CodeOf(err) != status.Internal {
		t.Error(err)
	}
}
