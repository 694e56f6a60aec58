// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/hpke"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/plexus-ipc/plexus/subject"
)

// Bounds of a Ring.
const (
	maxRing     = 4096    // keys
	maxPerName  = 4       // keys of one name: the present ones and those that are on their way out
	maxRingText = 8 << 20 // bytes that ParseRing reads
)

// Ring knows the public keys of the others, by name: the names are what To and From speak
// of, best the member ids at the hub. A name may have several keys while one takes the place of
// another: messages are then sealed to all of them, and taken from each. It is safe for
// concurrent use, and changes count from the next message on.
type Ring struct {
	mu    sync.RWMutex
	names map[string][]*peer
	byID  map[keyID]*peer
}

// peer is one key of somebody.
type peer struct {
	name   string
	public Public
	id     keyID
	box    hpke.PublicKey
}

// NewRing returns an empty Ring.
func NewRing() *Ring {
	return &Ring{names: make(map[string][]*peer), byID: make(map[keyID]*peer)}
}

// ParseRing reads a Ring of lines with a name, a space and a public key; "#" begins a
// comment.
func ParseRing(text string) (*Ring, error) {
	if len(text) > maxRingText {
		return nil, fmt.Errorf("seal: the list of keys has %d bytes, at most %d are read", len(text), maxRingText)
	}
	r := NewRing()
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		i := strings.LastIndexByte(line, ' ') // a name may have spaces in it, a key has none
		if i < 0 {
			return nil, fmt.Errorf("seal: line %d has no name and key with a space in between", n)
		}
		p, err := ParsePublic(line[i+1:])
		if err == nil {
			err = r.Add(strings.TrimSpace(line[:i]), p)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return r, nil
}

// Add adds a key of somebody. A key has one name, a name at most four keys.
func (r *Ring) Add(name string, p Public) error {
	if err := subject.ValidateMember(name); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if !p.suite.valid() {
		return fmt.Errorf("seal: the key of %s is the zero key", name)
	}
	box, err := p.boxKey()
	if err != nil {
		return err
	}
	k := &peer{name: name, public: p, id: p.id(), box: box}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch old := r.byID[k.id]; {
	case old != nil && old.name == name:
		return nil
	case old != nil:
		return fmt.Errorf("seal: %s and %s have the same key", old.name, name)
	case len(r.names[name]) >= maxPerName:
		return fmt.Errorf("seal: %s has %d keys already: remove an old one", name, maxPerName)
	case len(r.byID) >= maxRing:
		return fmt.Errorf("seal: the ring has %d keys already", maxRing)
	}
	r.byID[k.id] = k
	r.names[name] = append(slices.Clip(r.names[name]), k)
	return nil
}

// Remove removes a key of somebody; all of his for the zero Public.
func (r *Ring) Remove(name string, p Public) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var rest []*peer
	for _, k := range r.names[name] {
		if p == (Public{}) || k.public == p {
			delete(r.byID, k.id)
		} else {
			rest = append(rest, k)
		}
	}
	if r.names[name] = rest; rest == nil {
		delete(r.names, name)
	}
}

// Names lists who has a key, in alphabetical order.
func (r *Ring) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.names))
}

// find returns who has a key, nil for nobody.
func (r *Ring) find(id keyID) *peer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

// of returns all keys of these names, each of which must have one.
func (r *Ring) of(names []string) ([]*peer, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []*peer
	for _, name := range names {
		keys := r.names[name]
		if len(keys) == 0 {
			return nil, fmt.Errorf("%w: %s", ErrUnknown, name)
		}
		all = append(all, keys...)
	}
	if len(all) > maxReceivers {
		return nil, fmt.Errorf("seal: %d keys to seal to, at most %d", len(all), maxReceivers)
	}
	return all, nil
}
