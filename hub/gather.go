// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// maxGathered is how many bytes the answers that are gathered may have together, before they
// are put into JSON.
const maxGathered = session.DefaultMaxMessage / 2

// gathering is a call that goes to everybody of a group. It is answered when all have
// answered, with a list of operation.Answer.
type gathering struct {
	m   *Member // the caller
	id  uint32  // at the caller
	at  place
	buf interface{ Release() }

	mu        sync.Mutex
	unsent    int // parts, and one until all are on their way
	left      int
	size      int
	cancelled bool
	reason    *status.Error // if cancelled: whether the caller has given up or gone
	answers   []operation.Answer
	parts     []*part
}

// part is one provider's part of a gathering.
type part struct {
	g     *gathering
	i     int
	o     *offer
	began time.Time

	// guarded by g.mu
	callee  uint32
	running bool
	stop    context.CancelFunc
}

// gather passes a call on to all of a pool.
func (m *Member) gather(c *session.Call, p *pool) {
	if c.Shape() != wire.Unary {
		c.Fail(m.hub.count.fail(status.Errorf(status.WrongShape, "%s/%s goes to all providers of its group: it has no streams", p.at.channel, p.at.name)))
		return
	}
	all := p.everybody()
	if len(all) == 0 {
		c.Fail(m.hub.count.fail(p.nobody()))
		return
	}
	g := &gathering{m: m, id: c.ID, at: p.at, unsent: len(all) + 1, left: len(all) + 1, answers: make([]operation.Answer, len(all))}
	for i, o := range all {
		g.answers[i].Member = o.m.id
		g.parts = append(g.parts, &part{g: g, i: i, o: o, began: o.began()})
	}
	l := letter{shape: wire.Unary, flags: wire.FlagEnd}
	l.msg, g.buf = c.Keep()
	l.msg.Source = m.number
	if left := c.Remaining(); left > 0 {
		l.expires = time.Now().Add(left)
	}
	if !c.Detach(g) {
		g.buf.Release()
		return
	}
	for _, x := range g.parts {
		x.o.force()
		own := l
		m.hub.mail(x.o, &own, x, func(callee uint32, err error, slowly bool) bool {
			x.sent(callee, err)
			if err == nil && slowly {
				x.o.m.s.FlushNow()
			} else if err == nil {
				c.FlushAfter(x.o.m.s)
			}
			return false
		})
	}
	g.posted()
	g.arrived(c)
}

// posted says that one part was sent, or that all are on their way.
func (g *gathering) posted() {
	g.mu.Lock()
	g.unsent--
	last := g.unsent == 0
	g.mu.Unlock()
	if last {
		g.buf.Release()
	}
}

// sent notes the provider's id, or that it could not be reached.
func (x *part) sent(callee uint32, err error) {
	g := x.g
	g.posted()
	if err != nil {
		x.o.unused()
		x.note(nil, status.Convert(x.o.unreached(err)))
		g.arrived(nil)
		return
	}
	g.mu.Lock()
	x.callee, x.running, x.stop = callee, true, nil
	pass, reason := g.cancelled, g.reason
	g.mu.Unlock()
	if pass {
		x.o.route.Quit(callee, reason)
	}
}

func (x *part) waits(stop context.CancelFunc) bool {
	x.g.mu.Lock()
	defer x.g.mu.Unlock()
	x.stop = stop
	return x.g.cancelled
}

// note keeps what the provider has answered.
func (x *part) note(f *session.Frame, err *status.Error) {
	a := operation.Answer{Member: x.o.m.id}
	switch {
	case err != nil:
		a.Error = &operation.Failure{Code: err.Code.String(), Message: err.Message}
	case !x.o.m.grants.Load().May(auth.VerbProvide, x.g.at.channel, x.g.at.name):
		a.Error = &operation.Failure{Code: errBarred.Code.String(), Message: errBarred.Message}
	case f.Codec == codecJSON && json.Valid(f.Payload):
		a.Value = bytes.Clone(f.Payload)
	default:
		a.Codec, a.Data = f.Codec, bytes.Clone(f.Payload)
	}
	x.g.mu.Lock()
	defer x.g.mu.Unlock()
	if x.g.size += len(a.Value) + len(a.Data); x.g.size > maxGathered {
		a.Value, a.Data = nil, nil
		a.Error = &operation.Failure{Code: status.TooLarge.String(), Message: "the answers are longer together than a message may be"}
	}
	x.g.answers[x.i] = a
}

// arrived says that a part has ended, or that all were begun; with the last the call is
// answered.
func (g *gathering) arrived(by flusher) {
	g.mu.Lock()
	g.left--
	last, cancelled := g.left == 0, g.cancelled
	g.mu.Unlock()
	if !last {
		return
	}
	switch err := g.m.allowed(auth.VerbCall, g.at.channel, g.at.name); {
	case err != nil: // not any more
		g.m.s.Refuse(g.id, g.m.hub.count.fail(err))
	case cancelled:
		g.m.s.Refuse(g.id, g.m.hub.count.fail(gaveUp()))
	default:
		g.m.s.Answer(g.id, session.Message{Codec: codecJSON, Payload: encode(g.answers)})
	}
	flush(by, g.m.s)
}

// Item implements session.Sink. The provider answers with a stream, in which nobody is interested.
func (x *part) Item(*session.Frame) {}

// Final implements session.Sink.
func (x *part) Final(f *session.Frame, err error) {
	x.g.mu.Lock()
	x.running = false
	x.g.mu.Unlock()
	var by flusher
	switch {
	case err != nil:
		x.note(nil, status.Convert(x.o.lost(err)))
	default:
		by = x.o.m.s
		bad := x.o.misfit(f)
		f.MakePrivate()
		x.note(f, bad)
	}
	x.o.ended(x.began, err, by)
	x.g.arrived(by)
}

// Cancelled implements session.Canceller: all providers are told.
func (g *gathering) Cancelled(reason *status.Error) {
	g.mu.Lock()
	g.cancelled, g.reason = true, reason
	parts := make([]part, 0, len(g.parts))
	for _, x := range g.parts {
		parts = append(parts, part{o: x.o, callee: x.callee, running: x.running, stop: x.stop})
	}
	g.mu.Unlock()
	for _, x := range parts {
		if x.stop != nil {
			x.stop()
		}
		if x.running {
			x.o.route.Quit(x.callee, reason)
		}
	}
}
