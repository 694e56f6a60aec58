// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
)

// shelf is a store in memory.
type shelf struct {
	mu  sync.Mutex
	all []deadletter.Record
}

func (s *shelf) Append(records []*deadletter.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		if r.ID == 0 {
			r.ID = uint64(len(s.all) + 1)
			s.all = append(s.all, *r)
		}
	}
	return nil
}

func (s *shelf) Scan(after uint64, f func(*deadletter.Record) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		if s.all[i].ID > after && !f(&s.all[i]) {
			break
		}
	}
	return nil
}

func (s *shelf) Remove([]uint64) (int, error) { return 0, nil }

// A replay brings a subscription to a pattern only what its member may have, as publications do:
// neither to everybody nor to the very member that is named, who may have lost the right since.
func TestReplayKeepsToAccess(t *testing.T) {
	s := new(shelf)
	h := newHouse(t, hub.Config{
		Access:      access(t, rule("owner", "* administer", ""), rule("p", "subscribe", "ch/a.*"), rule("p", "!subscribe", "ch/a.secret")),
		DeadLetters: deadletter.Keeping{Store: s},
	})
	owner, p := h.enter("owner", nil), h.enter("p", nil)
	open := owner.declare("ch", "a.open", false)
	owner.declare("ch", "a.secret", false)
	x, _ := p.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: ">"})
	for _, receiver := range []string{"", "p"} {
		must(t, s.Append([]*deadletter.Record{{Kind: operation.KindPublication, Channel: "ch", Name: "a.secret", Receiver: receiver, Payload: []byte("secret")}}))
	}
	for _, everybody := range []bool{true, false} {
		var out operation.DeadLetterReplayed
		owner.mustOp(operation.ReplayDeadLetters, operation.DeadLetterReplay{DeadLetterFilter: operation.DeadLetterFilter{All: true}, Everybody: everybody}, &out)
		if out.Sent != 0 || len(out.Failed) != 2 {
			t.Errorf("everybody %v: %+v", everybody, out)
		}
	}
	must(t, owner.emit(open, "open"))
	if item, err := x.Recv(patience(t), nil); err != nil || string(item.Payload) != "open" {
		t.Errorf("got %q, %v", item.Payload, err)
	}
}
