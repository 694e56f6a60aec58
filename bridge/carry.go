// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// seat is what a member of one side is to have in a channel of the other: the requests of
// the operations that bring it about, by name.
type seat struct {
	methods map[string]json.RawMessage
	topics  map[string]json.RawMessage
	life    string
}

// look is what there is of a channel at a hub.
type look struct {
	members operation.MemberList
	fit     bool // something may be carried
	offers  offers
}

// offers are operation.MethodInfo and operation.TopicInfo values, with members that are not
// known here.
type offers struct {
	Methods []json.RawMessage `json:"methods"`
	Topics  []json.RawMessage `json:"topics"`
}

// missing makes it no error that a channel is not there, or is none of the bridge's business.
func missing(err error) error {
	if errors.Is(err, status.NotFound) || errors.Is(err, status.Locked) {
		return nil
	}
	return err
}

// members returns who is in a channel, and whether anything is to be carried from there or to
// there: not if the password is missing on one side. It unlocks the channel if need be.
func (s *side) members(channel string) (list operation.MemberList, fit bool, err error) {
	password, guarded := s.l.b.cfg.Passwords[channel]
	ask := func() error {
		return s.operate(s.l.ctx, operation.Members, operation.Place{Channel: channel}, &list)
	}
	err = ask()
	if guarded && errors.Is(err, status.Locked) {
		if err = s.c.Channel(channel).Unlock(s.l.ctx, password); err != nil {
			return list, false, err
		}
		err = ask()
	}
	if errors.Is(err, status.Locked) {
		return list, false, nil
	}
	return list, len(list.Members) == 0 || list.Protected == guarded, missing(err)
}

// channels returns the names of all channels of the hub of which something goes either way.
func (s *side) channels() (names []string, err error) {
	var list operation.ChannelList
	if err := s.operate(s.l.ctx, operation.Channels, operation.Empty{}, &list); err != nil {
		return nil, err
	}
	for _, c := range list.Channels {
		names = append(names, c.Name)
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	for _, g := range s.guests { // what is no more at the other side, they have to leave
		names = append(names, g.channelsLocked()...)
	}
	for name := range s.feeds {
		names = append(names, name)
	}
	for name := range s.l.b.cfg.Passwords { // hidden from who has not given it
		names = append(names, name)
	}
	return names, nil
}

// look asks what there is of a channel.
func (s *side) look(channel string) (*look, error) {
	var l look
	var err error
	if l.members, l.fit, err = s.members(channel); err != nil {
		return nil, err
	}
	if !l.fit || len(l.members.Members) == 0 {
		l.members.Members = nil
		return &l, nil
	}
	err = s.operate(s.l.ctx, operation.Explore, operation.Query{Channel: channel, Schemas: true}, &l.offers)
	if errors.Is(err, status.TooLarge) {
		err = s.explore(channel, &l.offers)
	}
	return &l, missing(err)
}

// explore asks name by name: the schemas of the channel are longer than a message may be.
func (s *side) explore(channel string, all *offers) error {
	var names operation.Exploration
	if err := s.operate(s.l.ctx, operation.Explore, operation.Query{Channel: channel}, &names); err != nil {
		return err
	}
	set := make(map[string]struct{})
	for _, m := range names.Methods {
		set[m.Name] = struct{}{}
	}
	for _, t := range names.Topics {
		set[t.Name] = struct{}{}
	}
	for name := range set {
		var one offers
		if err := missing(s.operate(s.l.ctx, operation.Explore, operation.Query{Channel: channel, Name: name, Schemas: true}, &one)); err != nil {
			return err
		}
		all.Methods, all.Topics = append(all.Methods, one.Methods...), append(all.Topics, one.Topics...)
	}
	return nil
}

// carry brings the guests at the other side in line with what s has of a channel.
func (s *side) carry(channel string) error {
	if !s.allows(channel) {
		return nil
	}
	here, err := s.look(channel)
	if err != nil {
		return err
	}
	there, fit, err := s.other.members(channel)
	if err != nil {
		return err
	}
	if !fit {
		here.members.Members, here.offers = nil, offers{}
	}
	if err := s.listen(channel, len(here.members.Members) > 0); err != nil {
		return err
	}
	want := s.other.seats(here)
	s.other.settle(channel, want, func(id string) bool {
		return slices.ContainsFunc(there.Members, func(m operation.Member) bool { return m.ID == id })
	})
	return nil
}

// seats returns what the guests at s are to have of what there is at the other side.
func (s *side) seats(there *look) map[string]*seat {
	want := make(map[string]*seat)
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	for _, m := range there.members.Members {
		if name, hub := s.nameFor(m.ID); s.carriesLocked(hub) {
			want[name] = &seat{
				methods: make(map[string]json.RawMessage), topics: make(map[string]json.RawMessage),
				life: m.Session,
			}
		}
	}
	for _, raw := range there.offers.Methods {
		name, who, request := request(raw, there.members.Channel, "method", "providers")
		for _, id := range who {
			if g, _ := s.nameFor(id); want[g] != nil {
				want[g].methods[name] = request
			}
		}
	}
	for _, raw := range there.offers.Topics {
		name, who, request := request(raw, there.members.Channel, "name", "owners")
		for _, id := range who {
			if g, _ := s.nameFor(id); want[g] != nil {
				want[g].topics[name] = request
			}
		}
	}
	return want
}

// request makes the request of provide or declare of what explore tells of a method or a
// topic. What it does not know goes along: both have the same members.
func request(told json.RawMessage, channel, key, who string) (name string, by []string, r json.RawMessage) {
	var all map[string]json.RawMessage
	if json.Unmarshal(told, &all) != nil {
		return "", nil, nil
	}
	_ = json.Unmarshal(all["name"], &name)
	_ = json.Unmarshal(all[who], &by)
	delete(all, "name")
	delete(all, who)
	for _, k := range []string{"described", "active", "waiting"} {
		delete(all, k)
	}
	var capacity int
	if json.Unmarshal(all["capacity"], &capacity) == nil && len(by) > 1 { // that of all providers together
		all["capacity"], _ = json.Marshal(max(capacity/len(by), 1))
	}
	for k, v := range map[string]string{"channel": channel, key: name} {
		all[k], _ = json.Marshal(v)
	}
	r, _ = json.Marshal(all) // with its keys in order, so that equal ones are equal bytes
	return name, by, r
}

// settle gives the guests at s their seats in a channel. present says whether a guest is
// in it now.
func (s *side) settle(channel string, want map[string]*seat, present func(id string) bool) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	for id, g := range s.guests {
		if want[id] == nil && g.want[channel] != nil {
			delete(s.evicted, [2]string{id, channel})
			g.seatLocked(channel, nil, present(id))
		}
	}
	for id, seat := range want {
		if _, out := s.evicted[[2]string{id, channel}]; out {
			continue
		}
		g := s.guests[id]
		if g != nil && g.life != "" && g.life != seat.life { // she has come anew
			g.stop()
			g = nil
		}
		if g == nil {
			g = s.guestLocked(id, seat.life)
		}
		if g != nil {
			g.seatLocked(channel, seat, present(id))
		}
	}
	s.leadLocked(channel)
}

// leadLocked chooses who passes the broadcasts of a channel on: one of the guests that get
// them all.
func (s *side) leadLocked(channel string) {
	var first *guest
	for _, g := range s.guests {
		if g.want[channel] != nil && (first == nil || g.id < first.id) {
			first = g
		}
	}
	if first == nil {
		delete(s.leaders, channel)
	} else {
		s.leaders[channel] = first
	}
}

// evicts reports whether a member left for a reason that its owner gave.
func evicts(reason string) bool { return strings.HasPrefix(reason, "removed by the owner") }
