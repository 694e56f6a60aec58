// SPDX-License-Identifier: Apache-2.0

// Package routes answers the hub's question: which way is it to another hub? Every link says
// which hubs it leads to and by which path; the best for each hub is the one that carries its
// members. As paths are whole, one that would come by here again is never taken, so there is
// no loop, and nothing counts to infinity when a hub has gone.
//
// It also tells messages that have come by two ways apart from new ones, see Lanes. It is pure: no goroutine, no
// clock. Its owner guards a Table with a lock; Lanes guard themselves.
package routes

import (
	"cmp"
	"maps"
	"slices"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Limits of what one link may say.
const (
	MaxHubs = 1024
	MaxPath = 32
)

// Table is what all links of a hub say. M stands for a link. Make one with New.
type Table[M comparable] struct {
	hub  string
	said map[M][]operation.Reach
	best map[string]Best[M]
}

// Best is the best way to a hub.
type Best[M comparable] struct {
	Link  M
	Reach operation.Reach
}

// New returns the empty Table of the hub with an id.
func New[M comparable](hub string) *Table[M] {
	return &Table[M]{hub: hub, said: make(map[M][]operation.Reach), best: make(map[string]Best[M])}
}

// Set replaces what a link says, and reports whether a best way is another now. Ways that lead
// by this hub are left out.
func (t *Table[M]) Set(link M, said []operation.Reach) (changed bool, err error) {
	if len(said) > MaxHubs {
		return false, status.Errorf(status.LimitExceeded, "a link to %d hubs, %d are possible", len(said), MaxHubs)
	}
	var kept []operation.Reach
	for _, r := range said {
		if err := check(r); err != nil {
			return false, err
		}
		if !slices.Contains(r.Path, t.hub) {
			kept = append(kept, r)
		}
	}
	t.said[link] = kept
	return t.choose(), nil
}

// check judges one Reach, which a bridge has made.
func check(r operation.Reach) error {
	if n := len(r.Path); n == 0 || n > MaxPath || r.Path[n-1] != r.Hub {
		return status.Errorf(status.InvalidArgument, "a path of %d hubs to %q: it has 1 to %d, and the last is the hub itself", n, r.Hub, MaxPath)
	}
	for i, hub := range r.Path {
		if err := subject.ValidateMember(hub); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
		if _, origin := operation.Origin(hub); origin != "" || slices.Contains(r.Path[:i], hub) {
			return status.Errorf(status.InvalidArgument, "hub %q stands twice in a path, or has an '@' in its id", hub)
		}
	}
	return nil
}

// Remove forgets a link, and reports whether a best way is another now, or none.
func (t *Table[M]) Remove(link M) bool {
	if _, ok := t.said[link]; !ok {
		return false
	}
	delete(t.said, link)
	return t.choose()
}

// choose finds the best ways anew.
func (t *Table[M]) choose() bool {
	best := make(map[string]Best[M])
	for link, said := range t.said {
		for _, r := range said {
			if b, ok := best[r.Hub]; !ok || better(r, b.Reach) {
				best[r.Hub] = Best[M]{link, r}
			}
		}
	}
	same := maps.EqualFunc(t.best, best, func(a, b Best[M]) bool {
		return a.Link == b.Link && a.Reach.Cost == b.Reach.Cost && slices.Equal(a.Reach.Path, b.Reach.Path)
	})
	t.best = best
	return !same
}

func better(a, b operation.Reach) bool {
	return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(len(a.Path), len(b.Path)), slices.Compare(a.Path, b.Path)) < 0
}

// Best returns the best way to a hub; false if there is none.
func (t *Table[M]) Best(hub string) (Best[M], bool) {
	b, ok := t.best[hub]
	return b, ok
}

// List returns the best ways by hub.
func (t *Table[M]) List() []Best[M] {
	all := make([]Best[M], 0, len(t.best))
	for _, hub := range slices.Sorted(maps.Keys(t.best)) {
		all = append(all, t.best[hub])
	}
	return all
}
