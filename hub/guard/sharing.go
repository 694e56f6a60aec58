// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/wire"
)

// MaxCapacity is the greatest capacity of a provider that can be told from any number.
const MaxCapacity = 1 << 20

// balances are the policies of a group.
var balances = []string{operation.LeastActive, operation.RoundRobin, operation.TwoChoices, operation.Sticky, operation.All}

// Sharing judges how an offer is shared.
func Sharing(in *operation.Offer) error {
	s := &in.Sharing
	if s.Group != "" {
		if err := subject.ValidateMethod(s.Group); err != nil {
			return status.Errorf(status.InvalidArgument, "the group's name: %w", err)
		}
	}
	switch {
	case s.Balance != "" && !slices.Contains(balances, s.Balance):
		return status.Errorf(status.InvalidArgument, "unknown policy %q: it is one of %s", s.Balance, strings.Join(balances, ", "))
	case s.Balance != "" && s.Group == "":
		return status.Errorf(status.InvalidArgument, "the policy %s is for a group: name one", s.Balance)
	case s.Capacity < 0 || s.Capacity > MaxCapacity:
		return status.Errorf(status.InvalidArgument, "a capacity of %d calls: 0 (any number) to %d are possible", s.Capacity, MaxCapacity)
	case s.Balance == operation.All && wire.Shape(in.Shape) != wire.Unary:
		return status.Errorf(status.InvalidArgument, "the policy %s is for methods without streams, %s is a %s", operation.All, in.Method, wire.Shape(in.Shape))
	case s.Balance == operation.All && s.Capacity != 0:
		return status.Errorf(status.InvalidArgument, "with the policy %s every provider gets every call: it has no capacity", operation.All)
	}
	return nil
}
