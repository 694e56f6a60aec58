// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Sharing is what a provider says of how it shares a method.
type Sharing = operation.Sharing

// method is a name that can be called, and who serves it.
type method[M Member] struct {
	group, balance string        // "" of a method with one provider
	providers      []provider[M] // in the order in which they came
	terms          Terms
	by             M // whose terms they are
}

type provider[M Member] struct {
	m M
	Sharing
}

// of returns the index of a member's place, -1 if it has none.
func (x *method[M]) of(m M) int {
	return slices.IndexFunc(x.providers, func(p provider[M]) bool { return p.m == m })
}

// only reports whether nobody but m provides the method.
func (x *method[M]) only(m M) bool { return len(x.providers) == 1 && x.providers[0].m == m }

// Provide has m serve a method, and join the channel if it is not in it. A method has one
// provider, or several that give the same group. Shape and schemas are those of the first,
// and replaced if it provides again; of others of the group the method takes the same, or no
// schemas. Providing again what one provides is told again. own reports whether the terms are
// those of m.
func (d *Directory[M]) Provide(channel, name string, terms Terms, m M, now time.Time) (changes []Change[M], own bool, err error) {
	if err := subject.ValidateMethod(name); err != nil {
		return nil, false, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if err := d.mayJoin(channel, m); err != nil {
		return nil, false, err
	}
	var x *method[M]
	if c := d.channels[channel]; c != nil {
		x = c.methods[name]
		if x == nil && len(c.methods) >= d.rules.Names {
			return nil, false, quota.Exceeded(operation.Limit{Name: quota.Methods, Scope: quota.ByChannel, Of: channel, Usage: len(c.methods), Bound: d.rules.Names},
				"channel %s has %d methods and takes no more", channel, len(c.methods))
		}
	}
	if err := x.takes(channel+"/"+name, &terms, m); err != nil {
		return nil, false, err
	}
	said := 0
	if x != nil && x.by == m {
		said = x.terms.Size()
	}
	if own = x == nil || x.by == m; own {
		if err := d.charge(m, terms.Size()-said); err != nil {
			return nil, false, err
		}
	}
	changes = d.join(nil, channel, m, now)
	c := d.channels[channel]
	return c.provide(changes, name, &terms, m), own, nil
}

// provide enters what Provide has found to be right.
func (c *Channel[M]) provide(changes []Change[M], name string, terms *Terms, m M) []Change[M] {
	x := c.methods[name]
	if x == nil {
		x = &method[M]{terms: *terms, by: m}
		c.methods[name] = x
	}
	if i := x.of(m); i >= 0 {
		x.providers[i].Sharing = terms.Sharing
	} else {
		x.providers = append(x.providers, provider[M]{m, terms.Sharing})
	}
	if x.only(m) {
		x.group, x.balance = terms.Group, terms.Balance
	}
	told := terms.Sharing
	told.Balance = x.balance
	changes = append(changes, Change[M]{Kind: Provided, Channel: c.Name, Member: m, Name: name, Sharing: told})
	if x.by == m {
		if old := x.terms; old.Shape != terms.Shape || old.Input != terms.Input || old.Output != terms.Output {
			changes = append(changes, Change[M]{Kind: Described, Channel: c.Name, Member: m, Name: name})
		}
		x.terms = *terms
	}
	put(&c.seats[m].methods, name)
	return changes
}

// takes returns why m cannot provide the method with these terms, whose policy it fills in
// where the group has one. x may be nil.
func (x *method[M]) takes(what string, t *Terms, m M) error {
	if x == nil || x.only(m) {
		if t.Group != "" && t.Balance == "" {
			t.Balance = operation.LeastActive
		}
		return nil
	}
	first := x.providers[0].m
	switch {
	case x.group == "":
		return status.Errorf(status.AlreadyExists, "%s is provided by %s already: it has to withdraw first, or both have to name the same group", what, first.ID())
	case t.Group == "":
		return status.Errorf(status.AlreadyExists, "%s is provided by the group %s: provide it in that group", what, x.group)
	case t.Group != x.group:
		return status.Errorf(status.AlreadyExists, "%s is provided by the group %s, not %s: a method has one group", what, x.group, t.Group)
	case t.Balance != "" && t.Balance != x.balance:
		return status.Errorf(status.AlreadyExists, "the group %s of %s balances by %s, not %s: give the same policy, or none", x.group, what, x.balance, t.Balance)
	case t.Shape != x.terms.Shape:
		return status.Errorf(status.AlreadyExists, "%s has other streams at %s: all providers of a group have the same", what, x.by.ID())
	case x.by != m && t.Size() > 0 && (t.Input != x.terms.Input || t.Output != x.terms.Output):
		return status.Errorf(status.AlreadyExists, "%s is provided with another schema by %s: give the same, or none", what, x.by.ID())
	}
	t.Balance = x.balance
	return nil
}

// Withdraw ends what Provide began.
func (d *Directory[M]) Withdraw(channel, name string, m M) ([]Change[M], error) {
	if err := d.may(channel, m, false); err != nil {
		return nil, err
	}
	c := d.places[m][channel]
	if c == nil {
		return nil, notIn(channel, m)
	}
	if x := c.methods[name]; x == nil || x.of(m) < 0 {
		return nil, status.Errorf(status.NotFound, "%s does not provide %s/%s", m.ID(), channel, name)
	}
	delete(c.seats[m].methods, name)
	return d.withdraw(nil, c, m, name), nil
}

// withdraw takes m off the providers of a method; the last one ends it. If m was the one
// whose terms it has, they are the next one's from now on, who said the same or nothing.
func (d *Directory[M]) withdraw(changes []Change[M], c *Channel[M], m M, name string) []Change[M] {
	x := c.methods[name]
	i := x.of(m)
	x.providers = slices.Delete(x.providers, i, i+1)
	if x.by == m {
		d.take(m, -x.terms.Size())
	}
	if len(x.providers) == 0 {
		delete(c.methods, name)
	} else if x.by == m {
		x.by = x.providers[0].m
		d.take(x.by, x.terms.Size()) // beyond the limit, if need be: it was asked by nobody
	}
	return append(changes, Change[M]{Kind: Withdrawn, Channel: c.Name, Member: m, Name: name})
}

// Providers returns who provides a method of the channel, in the order in which they came.
func (c *Channel[M]) Providers(name string) []M {
	x := c.methods[name]
	if x == nil {
		return nil
	}
	all := make([]M, 0, len(x.providers))
	for _, p := range x.providers {
		all = append(all, p.m)
	}
	return all
}

// Groups returns the groups of those methods that have one, nil if none has.
func (c *Channel[M]) Groups(methods []string) map[string]string {
	var groups map[string]string
	for _, name := range methods {
		if x := c.methods[name]; x != nil && x.group != "" {
			if groups == nil {
				groups = make(map[string]string)
			}
			groups[name] = x.group
		}
	}
	return groups
}

func put(set *map[string]struct{}, name string) {
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[name] = struct{}{}
}

func (x *method[M]) info(name string, schemas bool) operation.MethodInfo {
	i := operation.MethodInfo{
		Name: name, Shape: x.terms.Shape, Providers: []string{}, Described: x.terms.Size() > 0,
		Sharing: Sharing{Group: x.group, Balance: x.balance, Idempotent: true},
	}
	unlimited := false
	for _, p := range x.providers {
		i.Providers = append(i.Providers, p.m.ID())
		i.Idempotent = i.Idempotent && p.Idempotent
		i.Capacity += p.Capacity
		unlimited = unlimited || p.Capacity == 0
	}
	if unlimited {
		i.Capacity = 0
	}
	if schemas {
		i.Input, i.Output = json.RawMessage(x.terms.Input), json.RawMessage(x.terms.Output)
	}
	return i
}
