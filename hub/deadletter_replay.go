// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/balance"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/receipt"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// A replay sends so many letters, or bytes, before it waits for their receivers.
const (
	replayStep  = 64
	replayBytes = 4 << 20
)

// replayDeadLetters sends letters again, in their order, and removes those that were received.
func (m *Member) replayDeadLetters(ctx context.Context, in operation.DeadLetterReplay) (out operation.DeadLetterReplayed, err error) {
	d := m.hub.dead
	if err := deadletter.CheckFilter(&in.DeadLetterFilter, true); err != nil {
		return out, err
	}
	if !d.changing.TryLock() { // a letter is sent once
		return out, errChanging
	}
	defer d.changing.Unlock()
	limit := in.Limit
	if limit <= 0 || limit > operation.MaxDeadLetterReplay {
		limit = operation.MaxDeadLetterReplay
	}
	for after := uint64(0); limit > 0; {
		var step []*deadletter.Record
		size := 0
		err = d.desk().Each(ctx, &in.DeadLetterFilter, after, func(r *deadletter.Record) bool {
			own := *r
			own.Payload = bytes.Clone(r.Payload)
			step = append(step, &own)
			size += own.Size()
			return len(step) < min(replayStep, limit) && size < replayBytes
		})
		if err != nil || len(step) == 0 {
			break
		}
		after, limit = step[len(step)-1].ID, limit-len(step)
		if err = d.replay(ctx, step, in.Everybody, &out); err != nil {
			break
		}
	}
	m.hub.cfg.Log.Info("dead letters replayed", "hub", m.hub.cfg.ID, "by", m.id, "sent", out.Sent, "failed", len(out.Failed))
	return out, err
}

// replay sends some letters, waits for what becomes of them and brings the store in line.
func (d *deadLetters) replay(ctx context.Context, step []*deadletter.Record, everybody bool, out *operation.DeadLetterReplayed) error {
	results := make([]<-chan error, len(step))
	for i, r := range step {
		results[i] = d.send(ctx, r, everybody)
	}
	var sent []uint64
	var tried []*deadletter.Record
	for i, r := range step {
		err := <-results[i]
		if err == nil {
			sent = append(sent, r.ID)
			continue
		}
		out.Failed = append(out.Failed, operation.DeadLetterFailure{ID: r.ID, Reason: err.Error()})
		if status.CodeOf(err) != status.NoProvider && status.CodeOf(err) != status.NotFound { // somebody has missed it again
			r.Attempts++
			tried = append(tried, r)
		}
	}
	out.Sent += len(sent)
	d.replayed.Add(uint64(len(sent)))
	if len(tried) > 0 {
		if err := d.keep.Store.Append(tried); err != nil { // each in its own place
			return err
		}
	}
	if len(sent) == 0 {
		return nil
	}
	_, err := d.keep.Store.Remove(sent)
	return err
}

// again returns the message of a letter, in the hub's own name.
func again(r *deadletter.Record) (session.Message, error) {
	pairs := append(slices.Clone(r.Headers),
		wire.Pair{Key: operation.HeaderDeadLetter, Value: strconv.Itoa(r.Attempts + 1)},
		wire.Pair{Key: operation.HeaderDeadLetterSender, Value: r.Sender.ID})
	data, ok := wire.AppendHeaders(nil, pairs)
	if !ok {
		data, ok = wire.AppendHeaders(nil, pairs[len(pairs)-2:])
	}
	ext := wire.AppendExtension(nil, wire.ExtHeaders, data)
	if !ok || len(ext) > wire.MaxExtensions {
		return session.Message{}, status.Errorf(status.TooLarge, "its headers have no room for those of a dead letter")
	}
	return session.Message{Codec: r.Codec, Priority: r.Priority, Payload: r.Payload, Ext: ext}, nil
}

// send sends a letter once more. The result comes when it is known whether it was received:
// for an event that is when it is on its way.
func (d *deadLetters) send(ctx context.Context, r *deadletter.Record, everybody bool) <-chan error {
	result := make(chan error, 1)
	m, err := again(r)
	if err == nil {
		switch r.Kind {
		case operation.KindPublication:
			err = d.publish(ctx, r, m, everybody, result)
		case operation.KindEvent, operation.KindBroadcast:
			err = d.emit(r, m, everybody)
			result <- err
			return result
		case operation.KindCall:
			err = d.call(ctx, r, m, result)
		default:
			err = status.Errorf(status.Unimplemented, "it is of a kind that this hub does not know")
		}
	}
	if err != nil {
		result <- err
	}
	return result
}

// across is what is said of a letter that only a bridge would take: it passes on what members
// send, in their names, and not what the hub sends in its own.
func across(r *deadletter.Record) error {
	return status.Errorf(status.NotFound, "who takes %s/%s is at another hub: dead letters do not go over bridges", r.Channel, r.Name)
}

// publish gives a publication to the subscriptions of who missed it, or to all there are.
func (d *deadLetters) publish(ctx context.Context, r *deadletter.Record, m session.Message, everybody bool, result chan<- error) error {
	h := d.h
	label := wire.Bind{Class: wire.ClassLabel, Channel: r.Channel, Name: r.Name}
	h.mu.RLock()
	var feeds []*feed
	bridges := 0
	if room := h.rooms[r.Channel]; room != nil {
		for _, f := range room.trie.Match(nil, r.Name) {
			switch {
			case !everybody && r.Receiver != "" && f.m.id != r.Receiver:
			case !f.m.grants.Load().May(auth.VerbSubscribe, r.Channel, r.Name): // its pattern brings it only what is allowed
			case f.m.isBridge():
				bridges++
			default:
				feeds = append(feeds, f)
			}
		}
	}
	h.mu.RUnlock()
	if len(feeds) == 0 {
		if bridges > 0 {
			return across(r)
		}
		if everybody || r.Receiver == "" {
			return status.Errorf(status.NotFound, "nobody subscribes to %s/%s", r.Channel, r.Name)
		}
		return status.Errorf(status.NotFound, "%s, who missed it, does not subscribe to %s/%s: replay it to everybody, if others are to get it", r.Receiver, r.Channel, r.Name)
	}
	w := receipt.New(func(got operation.Receipt) { result <- outcome(&got) })
	p := outlet.Of(m)
	p.Observe(w)
	labels := make(map[*Member]*session.Route)
	for _, f := range feeds {
		if labels[f.m] == nil {
			labels[f.m] = f.m.s.Route(label)
		}
		p.Expect(f, f.m.id)
		if v, _ := f.out.Push(&p, labels[f.m]); v == outlet.Overflown {
			h.endOverflown([]*feed{f})
		}
		f.m.s.FlushNow()
	}
	p.Done()
	w.Seal()
	context.AfterFunc(ctx, func() { w.End(operation.MissDeadline) })
	return nil
}

// outcome returns why a replay has not reached everybody it was for, or nil.
func outcome(r *operation.Receipt) error {
	if r.Complete() {
		return nil
	}
	why := "nobody"
	if len(r.Missed) > 0 {
		why = r.Missed[0].Member + " (" + r.Missed[0].Reason + ")"
	}
	return status.Errorf(status.Unavailable, "%d of %d subscribers got it; not %s", r.Delivered, r.Matched, why)
}

// emit sends an event. If it is dropped later it becomes a dead letter again.
func (d *deadLetters) emit(r *deadletter.Record, m session.Message, everybody bool) error {
	h := d.h
	b := wire.Bind{Class: wire.ClassEvent, Channel: r.Channel, Name: r.Name}
	var to []*Member
	if r.Kind == operation.KindBroadcast {
		b.Class = wire.ClassBroadcast
	}
	h.mu.RLock()
	if who := h.members[r.Receiver]; !everybody && r.Receiver != "" {
		if who != nil && h.dir.Has(r.Channel, who) {
			to = []*Member{who}
		}
	} else if c := h.dir.Channel(r.Channel); r.Kind == operation.KindBroadcast && c != nil {
		to = slices.Clone(c.Members())
	} else if o := h.offers[place{r.Channel, r.Name}]; o != nil && o.pool == nil {
		to = []*Member{o.m}
	} else if o != nil {
		if home := o.pool.home(r.Sender.ID); home != nil {
			to = []*Member{home.m}
		}
	}
	h.mu.RUnlock()
	there := len(to)
	if to = slices.DeleteFunc(to, (*Member).isBridge); len(to) < there && len(to) == 0 {
		return across(r)
	}
	if len(to) == 0 {
		return status.Errorf(status.NotFound, "nobody is there to take %s/%s", r.Channel, r.Name)
	}
	p := outlet.Of(m)
	p.From(&deadletter.Sender{ID: r.Sender.ID, Identity: r.Sender.Identity})
	var failed error
	for _, who := range to {
		e := who.emitter(b)
		v, err := e.out.Push(&p, nil)
		switch v {
		case outlet.Refused:
			failed = status.Convert(err)
		case outlet.Gone:
			failed = status.Errorf(status.NotFound, "%s has just gone", who.id)
		}
		who.s.FlushNow()
	}
	p.Done()
	if len(to) > 1 {
		return nil // not everybody has to want it
	}
	return failed
}

// call calls a provider in the hub's name. Nobody gets the answer; an error keeps the letter.
func (d *deadLetters) call(ctx context.Context, r *deadletter.Record, m session.Message, result chan<- error) error {
	o, err := d.h.find(wire.Bind{Class: wire.ClassMethod, Channel: r.Channel, Name: r.Name})
	if err != nil {
		return err
	}
	if o.pool != nil && o.seat == nil {
		picked, _, all, v := o.pool.pick(m.Ext)
		if all || v != balance.Taken {
			return status.Errorf(status.Overloaded, "no provider of %s/%s takes it now", r.Channel, r.Name)
		}
		o = picked
	}
	if o.m.isBridge() {
		o.unused()
		return across(r)
	}
	if left, ok := ctx.Deadline(); ok {
		m.Deadline = uint32(min(time.Until(left).Microseconds()+1, 1<<32-1))
	}
	s := &replayed{o: o, result: result, began: o.began()}
	id, err := o.route.StartStream(ctx, wire.Unary, wire.FlagEnd, m, s)
	if err != nil {
		o.unused()
		return o.unreached(err)
	}
	o.m.s.FlushNow()
	context.AfterFunc(ctx, func() { o.route.Cancel(id) }) // a call that has ended is not there to be cancelled
	return nil
}

// replayed waits for the answer of a call.
type replayed struct {
	o      *offer
	result chan<- error
	began  time.Time
}

// Item implements session.Sink.
func (*replayed) Item(*session.Frame) {}

// Final implements session.Sink.
func (s *replayed) Final(_ *session.Frame, err error) {
	if err != nil {
		s.result <- s.o.lost(err)
	} else {
		s.result <- nil
	}
	s.o.ended(s.began, err, nil)
}
