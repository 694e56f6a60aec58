// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/status"
)

// All returns the mechanism that demands every one of mechs, such as "peer+secret". Their
// order does not matter; nested conjunctions are dissolved, "none" is left out, and what
// is left of nothing is None. The identity is called after the strongest part that names
// somebody: a token's or a certificate's owner rather than the kernel's user ("uid:1000"),
// and that rather than something many know ("secret"). The bounds of all parts hold.
func All(mechs ...Mechanism) Mechanism {
	parts := flatten(mechs)
	switch len(parts) {
	case 0:
		return None()
	case 1:
		return parts[0]
	}
	slices.SortStableFunc(parts, func(a, b Mechanism) int { return strings.Compare(a.Name(), b.Name()) })
	return &conjunction{parts}
}

func flatten(mechs []Mechanism) (parts []Mechanism) {
	for _, m := range mechs {
		if c, ok := m.(*conjunction); ok {
			parts = append(parts, c.parts...)
		} else if m.Name() != nameNone {
			parts = append(parts, m)
		}
	}
	return parts
}

type conjunction struct{ parts []Mechanism } // sorted by name, at least two

func (c *conjunction) Name() string {
	names := make([]string, len(c.parts))
	for i, m := range c.parts {
		names[i] = m.Name()
	}
	return strings.Join(names, "+")
}

func (c *conjunction) Client(b Binding) Exchange {
	return c.exchange(func(m Mechanism) Exchange { return m.Client(b) })
}

func (c *conjunction) Server(b Binding) Exchange {
	return c.exchange(func(m Mechanism) Exchange { return m.Server(b) })
}

func (c *conjunction) exchange(start func(Mechanism) Exchange) Exchange {
	t := &together{name: c.Name(), done: make([]bool, len(c.parts))}
	for _, m := range c.parts {
		t.parts = append(t.parts, start(m))
	}
	return t
}

// together runs several exchanges side by side, in the same messages.
type together struct {
	name  string
	parts []Exchange
	done  []bool // of each part
	err   error  // why it failed; it stays failed
}

func (t *together) Step(in []byte) (out []byte, done bool, err error) {
	if t.err == nil {
		out, t.err = t.next(in)
	}
	if t.err != nil {
		return nil, false, t.err
	}
	return out, t.finished(), nil
}

func (t *together) finished() bool { return !slices.Contains(t.done, false) }

func (t *together) next(in []byte) ([]byte, error) {
	if t.finished() {
		return nil, errAfterEnd()
	}
	ins, err := split(in, len(t.parts))
	if err != nil {
		return nil, err
	}
	outs := make([][]byte, len(t.parts))
	for i := range t.parts {
		if outs[i], err = t.stepPart(i, ins[i]); err != nil {
			return nil, err
		}
	}
	return join(outs)
}

func (t *together) stepPart(i int, in []byte) (out []byte, err error) {
	if t.done[i] {
		return silent(in)
	}
	out, t.done[i], err = t.parts[i].Step(in)
	return out, err
}

func (t *together) Identity() Identity {
	if t.err != nil || !t.finished() {
		return nobody()
	}
	best := t.parts[0].Identity()
	for _, p := range t.parts[1:] {
		id := p.Identity()
		if id.personal() > best.personal() {
			id, best = best, id
		}
		best = best.meet(id)
	}
	best.Mechanism = t.name
	return best
}

// personal is higher the better the name says who: that of a token or of a certificate was
// given to one holder, "uid:1000" has many programs, "secret" is known to many.
func (id Identity) personal() int {
	switch {
	case id.Mechanism == NameToken:
		return 3
	case id.Mechanism == NameTLS:
		return 2
	case strings.Contains(id.Name, ":"):
		return 1
	}
	return 0
}

// split takes a message apart into n parts. An empty message is n empty parts.
func split(message []byte, n int) ([][]byte, error) {
	parts := make([][]byte, n)
	if len(message) == 0 {
		return parts, nil
	}
	if err := checkLength(message); err != nil {
		return nil, err
	}
	for i := range parts {
		var ok bool
		if parts[i], message, ok = cut(message); !ok {
			return nil, status.Errorf(status.Protocol, "authentication message ends in its part %d of %d", i+1, n)
		}
	}
	if len(message) > 0 {
		return nil, status.Errorf(status.Protocol, "authentication message has %d bytes after its last part", len(message))
	}
	return parts, nil
}

// cut takes the first part off a message.
func cut(message []byte) (part, rest []byte, ok bool) {
	if len(message) < 2 {
		return nil, nil, false
	}
	n, rest := int(binary.LittleEndian.Uint16(message)), message[2:]
	if len(rest) < n {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// join makes a message of parts, the reverse of split.
func join(parts [][]byte) (message []byte, err error) {
	if !slices.ContainsFunc(parts, func(p []byte) bool { return len(p) > 0 }) {
		return nil, nil
	}
	for _, p := range parts {
		if len(message)+2+len(p) > MaxStep {
			return nil, status.Errorf(status.Internal, "authentication message longer than %d bytes", MaxStep)
		}
		message = binary.LittleEndian.AppendUint16(message, uint16(len(p)))
		message = append(message, p...)
	}
	return message, nil
}
