// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

// connection returns the binding of a connection that is told apart by its name.
func connection(name string) Binding { return Binding{Transcript: sha256.Sum256([]byte(name))} }

func secret(t testing.TB, s string, previous ...string) *SharedSecret {
	t.Helper()
	var opts SecretOptions
	for _, p := range previous {
		opts.Previous = append(opts.Previous, []byte(p))
	}
	m, err := Secret([]byte(s), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// converse lets two sides talk as a session would and returns the first error.
func converse(client, server Exchange) error {
	out, cDone, err := client.Step(nil)
	for range 8 {
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		back, sDone, err2 := server.Step(out)
		if err2 != nil {
			return fmt.Errorf("server: %w", err2)
		}
		if !cDone {
			out, cDone, err = client.Step(back)
		} else if len(back) > 0 {
			return errors.New("message to a client that is done")
		}
		if sDone && err == nil {
			if !cDone {
				return errors.New("server done before the client")
			}
			return nil
		}
	}
	return errors.New("no end")
}

func TestSecretRuns(t *testing.T) {
	a, b := connection("a"), connection("b")
	long := "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		name   string
		client Exchange
		server Exchange
		code   status.Code
	}{
		{"honest", secret(t, long).Client(a), secret(t, long).Server(a), status.OK},
		{"one byte", secret(t, "x").Client(a), secret(t, "x").Server(a), status.OK},
		{"server has a newer one", secret(t, "old").Client(a), secret(t, "new", "older", "old").Server(a), status.OK},
		{"client's older ones do not count", secret(t, "new", "old").Client(a), secret(t, "old").Server(a), status.Unauthenticated},
		{"wrong", secret(t, "x").Client(a), secret(t, "y").Server(a), status.Unauthenticated},
		{"prefix", secret(t, long[:31]).Client(a), secret(t, long).Server(a), status.Unauthenticated},
		{"zero appended", secret(t, "x\x00").Client(a), secret(t, "x").Server(a), status.Unauthenticated},
		{"other connection", secret(t, long).Client(a), secret(t, long).Server(b), status.Unauthenticated},
		{"no transcript", secret(t, long).Client(Binding{}), secret(t, long).Server(Binding{}), status.Internal},
		{"client without proof", None().Client(a), secret(t, long).Server(a), status.Protocol},
		{"server that accepts anything", secret(t, long).Client(a), &parrot{}, status.Protocol},
		{"server that reflects", secret(t, long).Client(a), &parrot{echo: true}, status.Unauthenticated},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := converse(c.client, c.server)
			if status.CodeOf(err) != c.code {
				t.Fatalf("got %v, want %v", err, c.code)
			}
			if c.code == status.OK && (c.client.Identity().Name != "secret" || c.server.Identity().Name != "secret") {
				t.Fatalf("identities %v and %v", c.client.Identity(), c.server.Identity())
			}
		})
	}
}

// parrot is a server that is content with everything.
type parrot struct{ echo bool }

func (p *parrot) Identity() Identity { return nobody() }
func (p *parrot) Step(in []byte) ([]byte, bool, error) {
	if p.echo {
		return in, true, nil
	}
	return nil, true, nil
}

func TestSecretSwappedRoles(t *testing.T) {
	a, m := connection("a"), secret(t, "0123456789abcdef")
	first, _, _ := m.Client(a).Step(nil)
	client := m.Client(a)
	client.Step(nil)
	if _, done, err := client.Step(first); done || status.CodeOf(err) != status.Unauthenticated {
		t.Fatalf("a client took another client's proof: %v", err)
	}
	answer, _, err := m.Server(a).Step(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := m.Server(a).Step(answer); done || status.CodeOf(err) != status.Unauthenticated {
		t.Fatalf("a server took a server's proof: %v", err)
	}
}

func TestSecretReplay(t *testing.T) {
	m := secret(t, "0123456789abcdef")
	proof, _, _ := m.Client(connection("a")).Step(nil)
	answer, _, _ := m.Server(connection("a")).Step(proof)
	for i := range 20 {
		b := connection(fmt.Sprint("restarted ", i))
		if _, done, err := m.Server(b).Step(proof); done || err == nil {
			t.Fatal("the server took a recorded proof")
		}
		client := m.Client(b)
		client.Step(nil)
		if _, done, err := client.Step(answer); done || err == nil {
			t.Fatal("the client took a recorded proof")
		}
	}
}

func TestSecretMessages(t *testing.T) {
	a, m := connection("a"), secret(t, "0123456789abcdef")
	proof, _, _ := m.Client(a).Step(nil)
	for i := range proof {
		for _, bad := range [][]byte{proof[:i], append(bytes.Clone(proof), proof[:i+1]...), flipped(proof, i)} {
			s := m.Server(a)
			if _, done, err := s.Step(bad); done || err == nil {
				t.Fatalf("took % x", bad)
			}
			if _, done, err := s.Step(proof); done || err == nil || s.Identity() != nobody() {
				t.Fatal("an exchange that failed came to life again")
			}
		}
	}
	s := m.Server(a)
	if _, _, err := s.Step(make([]byte, MaxStep+1)); status.CodeOf(err) != status.Protocol {
		t.Fatalf("oversize: %v", err)
	}
	if _, _, err := m.Client(a).Step(proof); status.CodeOf(err) != status.Protocol {
		t.Fatalf("a server that speaks first: %v", err)
	}
}

func flipped(p []byte, i int) []byte {
	p = bytes.Clone(p)
	p[i] ^= 1
	return p
}

func TestSecretAfterEnd(t *testing.T) {
	a, m := connection("a"), secret(t, "0123456789abcdef")
	proof, _, _ := m.Client(a).Step(nil)
	s := m.Server(a)
	if s.Identity() != nobody() {
		t.Fatal("an identity before the end")
	}
	s.Step(proof)
	if _, done, err := s.Step(proof); done || status.CodeOf(err) != status.Protocol {
		t.Fatalf("after the end: done %v, %v", done, err)
	}
}

func TestSecretSaysNothing(t *testing.T) {
	m := secret(t, "hunter2hunter2hunter2")
	_, _, err := m.Server(connection("a")).Step(make([]byte, 32))
	if got := err.Error(); got != "unauthenticated: the proof of the secret is wrong" {
		t.Errorf("message: %q", got)
	}
	chain := Chain{Mechanisms: []Mechanism{m, All(m, PeerCredentials(Allow{}))}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{m, m.Server(connection("a")), m.Client(connection("a")), chain} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{"hunter2", "68756e", "104 117", "0x68, 0x75"} {
				if strings.Contains(got, leak) {
					t.Errorf("%s of %T shows the secret", verb, v)
				}
			}
		}
	}
}

func TestSecretConstruction(t *testing.T) {
	for _, c := range []struct {
		secret  string
		opts    *SecretOptions
		bad     bool
		warning string
	}{
		{"", nil, true, ""},
		{"", &SecretOptions{}, true, ""},
		{"0123456789abcdef", &SecretOptions{Previous: [][]byte{nil}}, true, ""},
		{"0123456789abcdef", nil, false, ""},
		{"0123456789abcde", nil, false, "only 15 bytes"},
		{"passwordpassword", nil, false, "repeats 8 bytes"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", nil, false, "repeats 1 bytes"},
		{"aaaaaaaabaaaaaaaaacaaaaaaaaa", nil, false, "hardly any different bytes"},
		{"0123456789abcdef", &SecretOptions{Previous: [][]byte{[]byte("abc")}}, false, "only 3 bytes"},
	} {
		m, err := Secret([]byte(c.secret), c.opts)
		if c.bad != (err != nil) {
			t.Errorf("%q: %v", c.secret, err)
		}
		if err == nil && (m.Warning() == "") != (c.warning == "") || err == nil && !strings.Contains(m.Warning(), c.warning) {
			t.Errorf("%q: warning %q", c.secret, m.Warning())
		}
	}
}

func TestSecretIsCopied(t *testing.T) {
	b := []byte("0123456789abcdef")
	m, _ := Secret(b, nil)
	clear(b)
	if err := converse(m.Client(connection("a")), secret(t, "0123456789abcdef").Server(connection("a"))); err != nil {
		t.Fatal(err)
	}
}

// TestVectors holds the code against testdata/vectors.py.
func TestVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Comment, Secret, Transcript string
		Client                      string `json:"client_proof"`
		Server                      string `json:"server_proof"`
	}
	if err := json.Unmarshal(file, &vectors); err != nil || len(vectors) == 0 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Comment, func(t *testing.T) {
			b := Binding{Transcript: [32]byte(unhex(t, v.Transcript))}
			m := secret(t, string(unhex(t, v.Secret)))
			client, _, err := m.Client(b).Step(nil)
			if err != nil || hex.EncodeToString(client) != v.Client {
				t.Fatalf("client proof %x, %v", client, err)
			}
			server, done, err := m.Server(b).Step(unhex(t, v.Client))
			if err != nil || !done || hex.EncodeToString(server) != v.Server {
				t.Fatalf("server proof %x, %v", server, err)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// While secrets are exchanged both are taken, by who keeps running: nothing but the sessions
// of a withdrawn secret ends.
func TestSecretRotation(t *testing.T) {
	const old, present = "old 0123456789abcdef", "new 0123456789abcdef"
	a := connection("a")
	server := secret(t, old)
	var told []string
	enter := func(s string) error {
		x := server.Server(a)
		err := converse(secret(t, s).Client(a), x)
		if err == nil {
			x.Identity().Lease.Watch(func(err error) { told = append(told, s+": "+err.Error()) })
		}
		return err
	}
	replace := func(s string, previous ...string) int {
		t.Helper()
		var opts SecretOptions
		for _, p := range previous {
			opts.Previous = append(opts.Previous, []byte(p))
		}
		n, err := server.Replace([]byte(s), &opts)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := enter(old); err != nil || enter(present) == nil {
		t.Fatal(err)
	}
	if n := replace(present, old); n != 0 {
		t.Fatal(n)
	}
	if err := errors.Join(enter(old), enter(present)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Replace(nil, nil); err == nil || enter(present) != nil {
		t.Fatal("an empty secret took effect")
	}
	if n := replace(present); n != 2 || len(told) != 2 || told[0] != old+": unauthenticated: the secret was replaced by another one" {
		t.Fatal(n, told)
	}
	if enter(old) == nil || enter(present) != nil {
		t.Fatal("the wrong one is taken")
	}
}
