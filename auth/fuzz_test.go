// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"testing"
)

// FuzzExchange plays a peer that knows everything but the secret. The first byte chooses
// mechanism and role, the rest is messages, each with its length (0 to 255) before it.
func FuzzExchange(f *testing.F) {
	b := connection("fuzz")
	b.Peer = unixPeer(1000, 1000, 1)
	s := secret(f, "0123456789abcdef")
	mechs := []Mechanism{None(), PeerCredentials(Allow{UIDs: []int{1000}, CheckServer: true}), s}
	mechs = append(mechs, All(mechs...))
	mechs = append(mechs, All(s, slow{"z"}))
	f.Fuzz(func(t *testing.T, choice byte, program []byte) {
		m := mechs[int(choice>>1)%len(mechs)]
		e := m.Server(b)
		if choice&1 == 1 {
			e = m.Client(b)
		}
		if play(t, e, program) && reaches(m.Name(), nameSecret) && !knows(t, s, b, program) {
			t.Fatalf("%s is satisfied without a proof", m.Name())
		}
	})
}

// play feeds the messages to e, checks what must hold after each, and reports whether e
// was done at the end.
func play(t *testing.T, e Exchange, program []byte) (done bool) {
	failed := false
	for i := 0; i < 8 && len(program) > 0; i++ {
		n := min(int(program[0]), len(program)-1)
		in := program[1 : 1+n : 1+n]
		before := bytes.Clone(in)
		over := done || failed
		var out []byte
		var err error
		out, done, err = e.Step(in)
		program = program[1+n:]
		failed = failed || err != nil
		switch {
		case !bytes.Equal(before, in):
			t.Fatal("Step changed its input")
		case len(out) > MaxStep:
			t.Fatalf("%d bytes to send", len(out))
		case over && err == nil:
			t.Fatal("a step after the end")
		case failed && (done || len(out) > 0):
			t.Fatal("failed, and yet done or with an answer")
		case done != (e.Identity() != nobody()):
			t.Fatalf("done %v, identity %v", done, e.Identity())
		}
	}
	return done
}

// knows reports whether a proof that only the secret makes stands in the program (as in
// the seeds).
func knows(t *testing.T, s *SharedSecret, b Binding, program []byte) bool {
	client, _, err := s.Client(b).Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	server, _, err := s.Server(b).Step(client)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(program, client) || bytes.Contains(program, server)
}
