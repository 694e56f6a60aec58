// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

func unixPeer(uid, gid, pid int) Peer {
	return Peer{UID: uid, GID: gid, PID: pid, HasCredentials: true}
}

func windowsPeer(sid string) Peer {
	return Peer{UID: -1, GID: -1, SID: sid, HasCredentials: true}
}

func TestPeerDecisions(t *testing.T) {
	unix, windows := account{uid: 1000}, account{uid: -1, sid: "S-1-5-21-1"}
	for _, c := range []struct {
		name  string
		allow Allow
		self  account
		peer  Peer
		code  status.Code
	}{
		{"same", Allow{}, unix, unixPeer(1000, 7, 1), status.OK},
		{"root", Allow{}, unix, unixPeer(0, 0, 1), status.OK},
		{"other", Allow{}, unix, unixPeer(1001, 1000, 1000), status.PermissionDenied},
		{"none known, zero looks like root", Allow{}, unix, Peer{}, status.Unauthenticated},
		{"none known, listed", Allow{UIDs: []int{0}, GIDs: []int{0}}, unix, Peer{}, status.Unauthenticated},
		{"only root", Allow{Root: true}, unix, unixPeer(1000, 7, 1), status.PermissionDenied},
		{"only same", Allow{Same: true}, unix, unixPeer(0, 0, 1), status.PermissionDenied},
		{"listed", Allow{UIDs: []int{1001}}, unix, unixPeer(1001, 7, 1), status.OK},
		{"a list excludes the rest", Allow{UIDs: []int{1001}}, unix, unixPeer(1000, 7, 1), status.PermissionDenied},
		{"list and same", Allow{UIDs: []int{1001}, Same: true}, unix, unixPeer(1000, 7, 1), status.OK},
		{"group", Allow{GIDs: []int{50}}, unix, unixPeer(1002, 50, 1), status.OK},
		{"group is not a user", Allow{GIDs: []int{50}}, unix, unixPeer(50, 51, 50), status.PermissionDenied},
		{"negative numbers", Allow{UIDs: []int{-1}, GIDs: []int{-1}}, unix, unixPeer(-1, -1, 1), status.PermissionDenied},
		{"unknown is not the same", Allow{}, account{uid: -1}, windowsPeer(""), status.PermissionDenied},
		{"empty SID listed", Allow{SIDs: []string{""}}, windows, windowsPeer(""), status.PermissionDenied},
		{"same SID", Allow{}, windows, windowsPeer("S-1-5-21-1"), status.OK},
		{"other SID", Allow{}, windows, windowsPeer("S-1-5-21-2"), status.PermissionDenied},
		{"system", Allow{}, windows, windowsPeer("S-1-5-18"), status.OK},
		{"listed SID", Allow{SIDs: []string{"S-1-5-21-2"}}, windows, windowsPeer("S-1-5-21-2"), status.OK},
		{"a SID outweighs numbers", Allow{UIDs: []int{0}, GIDs: []int{0}}, windows,
			Peer{SID: "S-1-5-21-2", HasCredentials: true}, status.PermissionDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := PeerCredentials(c.allow).(*peerMechanism)
			m.self = c.self
			server := m.Server(Binding{Peer: c.peer})
			err := converse(m.Client(Binding{}), server)
			if status.CodeOf(err) != c.code {
				t.Fatalf("got %v, want %v", err, c.code)
			}
			if id := server.Identity(); (id == nobody()) != (err != nil) {
				t.Fatalf("identity %v after %v", id, err)
			}
		})
	}
}

func TestPeerSelf(t *testing.T) {
	me := self()
	p := Peer{UID: me.uid, GID: -1, SID: me.sid, HasCredentials: true}
	m := PeerCredentials(Allow{Same: true})
	if err := converse(m.Client(Binding{}), m.Server(Binding{Peer: p})); err != nil {
		t.Fatal(err)
	}
}

// TestPeerSquatter is fault case 35: another user has taken the server's address.
func TestPeerSquatter(t *testing.T) {
	squatter := Binding{Peer: unixPeer(1001, 1001, 5)}
	careful := PeerCredentials(Allow{UIDs: []int{998}, CheckServer: true})
	_, done, err := careful.Client(squatter).Step(nil)
	if done || status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "server runs as uid:1001") {
		t.Fatalf("done %v, %v", done, err)
	}
	if _, done, err := careful.Client(Binding{Peer: unixPeer(998, 1, 5)}).Step(nil); !done || err != nil {
		t.Fatalf("done %v, %v", done, err)
	}
	if _, done, err := PeerCredentials(Allow{}).Client(squatter).Step(nil); !done || err != nil {
		t.Fatalf("done %v, %v", done, err)
	}
}

func TestPeerMessages(t *testing.T) {
	b := Binding{Peer: Peer{RemoteAddress: "tcp://192.0.2.1:99"}}
	_, _, err := PeerCredentials(Allow{}).Server(b).Step(nil)
	if err == nil || !strings.Contains(err.Error(), "transport does not tell which user the client is (address tcp://192.0.2.1:99)") {
		t.Errorf("%v", err)
	}
	for _, m := range []Mechanism{None(), PeerCredentials(Allow{})} {
		if _, _, err := m.Server(Binding{Peer: unixPeer(0, 0, 1)}).Step([]byte("x")); status.CodeOf(err) != status.Protocol {
			t.Errorf("%s: %v", m.Name(), err)
		}
	}
}

func TestPeerAllowIsCopied(t *testing.T) {
	uids := []int{1}
	m := PeerCredentials(Allow{UIDs: uids})
	uids[0] = 2
	if _, done, _ := m.Server(Binding{Peer: unixPeer(2, 2, 2)}).Step(nil); done {
		t.Fatal("the list changed under the mechanism")
	}
}
