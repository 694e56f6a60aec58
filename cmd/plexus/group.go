// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub/balance"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

// shareFlags say how a provider shares its method with others.
type shareFlags struct {
	operation.Sharing
}

func (s *shareFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.Group, "group", "", "provide the method together with others who name the same group")
	f.StringVar(&s.Balance, "balance", "", "who of the group gets a call: "+policies()+" (default: what the group has, else "+operation.LeastActive+")")
	f.IntVar(&s.Capacity, "capacity", 0, "calls at a time that the hub gives this provider, 0 for any number; others wait at the hub")
	f.BoolVar(&s.Idempotent, "idempotent", false, "calls may be executed twice: if this provider dies, the hub sends them to another of the group")
}

// policies lists the policies of a group.
func policies() string {
	var names []string
	for _, p := range balance.Policies() {
		names = append(names, string(p))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// options returns what the flags ask for.
func (s *shareFlags) options() ([]plexus.Option, error) {
	switch {
	case s.Balance != "" && !balance.Policy(s.Balance).Known():
		return nil, usagef("--balance %q is not %s", s.Balance, policies())
	case s.Balance != "" && s.Group == "":
		return nil, usagef("--balance is for a group: name one with --group")
	case s.Capacity < 0:
		return nil, usagef("--capacity is at least 0")
	}
	opts := []plexus.Option{service.WithGroup(s.Group), service.WithBalance(s.Balance), service.WithCapacity(s.Capacity)}
	if s.Idempotent {
		opts = append(opts, plexus.WithIdempotent())
	}
	return opts, nil
}

// keyFlag is the key of a call to a group.
type keyFlag struct{ key string }

func (k *keyFlag) add(f *pflag.FlagSet) {
	f.StringVar(&k.key, "key", "", "calls with the same key go to the same provider of a group that balances by "+operation.Sticky)
}

func (k *keyFlag) options(opts []plexus.Option) []plexus.Option {
	if k.key == "" {
		return opts
	}
	return append(opts, service.WithKey(k.key))
}

// withGroups returns the methods of a member, those with a group as "method(group)".
func withGroups(m *operation.Member) []string {
	var names []string
	for _, name := range m.Methods {
		if g := m.Groups[name]; g != "" {
			name += "(" + g + ")"
		}
		names = append(names, name)
	}
	return names
}
