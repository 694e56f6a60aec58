// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

func TestChainSelect(t *testing.T) {
	n, p, s := None(), PeerCredentials(Allow{}), Mechanism(secret(t, "0123456789abcdef"))
	both := All(p, s)
	for _, c := range []struct {
		name    string
		client  Chain
		offered []string
		want    string // a mechanism, or a part of the error
	}{
		{"the client's best", Chain{Mechanisms: []Mechanism{both, s, p, n}}, []string{"none", "peer", "secret"}, "secret"},
		{"conjunction", Chain{Mechanisms: []Mechanism{both, s, p}}, []string{"peer+secret"}, "peer+secret"},
		{"none", Chain{Mechanisms: []Mechanism{n}}, []string{"none"}, "none"},
		{"no secret", Chain{Mechanisms: []Mechanism{p, n}}, []string{"secret"},
			"server requires a secret; give one with --secret or plexus.WithSecret (this client has: kernel credentials or no authentication)"},
		{"not both", Chain{Mechanisms: []Mechanism{p}}, []string{"peer+secret"}, "server requires kernel credentials and a secret; give one with"},
		{"floor", Chain{Mechanisms: []Mechanism{both, s, p, n}, Floor: "secret"}, []string{"peer", "none"}, "this client insists on kernel credentials and a secret or a secret"},
		{"floor admits more", Chain{Mechanisms: []Mechanism{both, n}, Floor: "secret"}, []string{"peer+secret"}, "peer+secret"},
		{"secret not wanted", Chain{Mechanisms: []Mechanism{s}}, []string{"peer"}, "server requires kernel credentials (this client has: a secret)"},
		{"unknown", Chain{Mechanisms: []Mechanism{s}}, []string{"noise\n", strings.Repeat("x", 999)}, `server requires "noise\n" or "` + strings.Repeat("x", 32) + `" (`},
		{"nothing offered", Chain{Mechanisms: []Mechanism{s}}, nil, "not configured"},
		{"zero", Chain{}, []string{"none"}, "this client has no mechanism"},
		{"unknown floor", Chain{Mechanisms: []Mechanism{s}, Floor: "sekret"}, []string{"secret"}, "this client has no mechanism"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := c.client.Select(c.offered)
			switch {
			case err == nil && m.Name() != c.want:
				t.Fatalf("selected %s", m.Name())
			case err != nil && (status.CodeOf(err) != status.Unauthenticated || !strings.Contains(err.Error(), c.want)):
				t.Fatal(err)
			}
		})
	}
}

func TestChainAccept(t *testing.T) {
	p, s := PeerCredentials(Allow{}), Mechanism(secret(t, "0123456789abcdef"))
	server := Chain{Mechanisms: []Mechanism{All(p, s), s, p, None()}, Floor: "secret"}
	for name, ok := range map[string]bool{"peer+secret": true, "secret": true, "peer": false, "none": false, "": false, "secret+peer": false} {
		m, err := server.Accept(name)
		if ok != (err == nil) || ok && m.Name() != name {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && status.CodeOf(err) != status.Unauthenticated {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := (Chain{}).Accept("none"); err == nil {
		t.Error("the zero chain accepts")
	}
}

func TestChainOffer(t *testing.T) {
	p, s := PeerCredentials(Allow{}), Mechanism(secret(t, "0123456789abcdef"))
	tcp, unix := Peer{}, unixPeer(1, 1, 1)
	for _, c := range []struct {
		chain Chain
		peer  Peer
		want  string
	}{
		{Chain{Mechanisms: []Mechanism{All(p, s), s, p}}, unix, "peer+secret secret peer"},
		{Chain{Mechanisms: []Mechanism{All(p, s), s, p}}, tcp, "secret"},
		{Chain{Mechanisms: []Mechanism{All(p, s), p}}, tcp, "peer+secret peer"},
		{Chain{Mechanisms: []Mechanism{p, None()}, Floor: "peer"}, tcp, "peer"},
		{Chain{Mechanisms: []Mechanism{p, None()}, Floor: "none"}, unix, "peer none"},
		{Chain{}, unix, ""},
	} {
		if got := strings.Join(c.chain.Offer(c.peer), " "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	list := []Mechanism{None(), s}
	Chain{Mechanisms: list, Floor: "secret"}.Names()
	if !slices.Equal(list, []Mechanism{None(), s}) {
		t.Error("Names changed the list")
	}
}
