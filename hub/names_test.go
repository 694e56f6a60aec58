// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Weakness 24: no operation takes a reserved name, a pattern, an invisible or a denormalised
// character, or what is no name at all, for the name of a channel.
func TestWeakness24NamesInEveryOperation(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("", nil)
	stream := func(name string, in any) error { return p.opened(name, in) }
	operations := map[string]func(channel string) error{
		operation.Join:     func(c string) error { return p.op(operation.Join, operation.Place{Channel: c}, nil) },
		operation.Leave:    func(c string) error { return p.op(operation.Leave, operation.Place{Channel: c}, nil) },
		operation.Provide:  func(c string) error { return p.op(operation.Provide, operation.Offer{Channel: c, Method: "m"}, nil) },
		operation.Withdraw: func(c string) error { return p.op(operation.Withdraw, operation.Offer{Channel: c, Method: "m"}, nil) },
		operation.Declare:  func(c string) error { return p.op(operation.Declare, operation.Topic{Channel: c, Name: "t"}, nil) },
		operation.Retract:  func(c string) error { return p.op(operation.Retract, operation.Topic{Channel: c, Name: "t"}, nil) },
		operation.Subscribe: func(c string) error {
			return stream(operation.Subscribe, operation.Subscription{Channel: c, Pattern: ">"})
		},
		operation.Watch:    func(c string) error { return stream(operation.Watch, operation.Place{Channel: c}) },
		operation.Members:  func(c string) error { return p.op(operation.Members, operation.Place{Channel: c}, nil) },
		operation.Explore:  func(c string) error { return p.op(operation.Explore, operation.Query{Channel: c}, nil) },
		operation.Kick:     func(c string) error { return p.op(operation.Kick, operation.Eviction{Channel: c, Member: "m"}, nil) },
		operation.Unlock:   func(c string) error { return p.unlock(c, "password") },
		operation.Password: func(c string) error { return p.channel(c).SetPassword(p.t.Context(), "password") },
		"call":             func(c string) error { _, err := p.call(c, "m", ""); return err },
		"stream": func(c string) error {
			_, err := p.s.Route(method(c, "m")).Open(p.t.Context(), wire.ServerStream, session.Message{})
			return err
		},
		"send":      func(c string) error { return p.emitted(wire.Bind{Class: wire.ClassEvent, Channel: c, Name: "e"}) },
		"broadcast": func(c string) error { return p.emitted(wire.Bind{Class: wire.ClassBroadcast, Channel: c, Name: "e"}) },
		"publish":   func(c string) error { return p.emitted(wire.Bind{Class: wire.ClassTopic, Channel: c, Name: "t"}) },
	}
	delete(operations, "stream") // its refusal comes with the first item: TestNamesAreChecked
	for what, do := range operations {
		for _, name := range []string{
			"$x", "$logs.x", "*", "a.*", ">", "a.>", "a/b", "a..b", ".a", "a.", " a", "a\nb", "a\x00", "a\u200bb", "\u202ea", "e\u0301", "a\u212b", "a\xff",
			"\u0301", string(make([]byte, 256)),
		} {
			if err := do(name); !errors.Is(err, status.InvalidArgument) {
				t.Errorf("%s of %+q: got %v, want invalid_argument", what, name, err)
			}
		}
	}
	var channels operation.ChannelList
	p.mustOp(operation.Channels, operation.Empty{}, &channels)
	if len(channels.Channels) != 0 {
		t.Fatalf("%+v", channels)
	}
}
