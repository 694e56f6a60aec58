// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/receipt"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// receiptTime is how long a publisher without a deadline waits for its receivers.
const receiptTime = 10 * time.Second

// acknowledged is a publication whose publisher waits for the Receipt. No goroutine belongs
// to it.
type acknowledged struct {
	*receipt.Receipt
	h     *Hub
	s     *session.Session
	id    uint32 // of the call
	owed  int64  // receivers counted in hub.awaited
	timer atomic.Pointer[time.Timer]
	copy  *letterCopy // what a dead letter is made of, nil if none is
}

// Call implements session.Target: a publication that is acknowledged.
func (p *publisher) Call(c *session.Call) {
	if err := p.mayCall(c); err != nil {
		c.Fail(err)
		return
	}
	h := p.m.hub
	a := &acknowledged{h: h, s: p.m.s, id: c.ID}
	a.Receipt = receipt.New(a.answer)
	a.owed = int64(1 + len(p.topic.audienceNow(h).listeners))
	if n := h.awaited.Add(a.owed); n > int64(h.cfg.MaxAwaited) {
		h.awaited.Add(-a.owed)
		c.Fail(status.Errorf(status.Overloaded, "%d receivers have still to acknowledge publications, the hub waits for %d", n-a.owed, h.cfg.MaxAwaited))
		return
	}
	a.copy = p.m.hub.dead.copyOf(p, c)
	m := outlet.OfFrame(&c.Frame, p.m.number)
	m.Observe(a)
	p.deliver(soon{}, &m, 1)
	a.orphaned()
	left := c.Remaining()
	if left == 0 {
		left = receiptTime
	}
	if !c.Detach(a) {
		a.forget()
		return
	}
	a.timer.Store(time.AfterFunc(left, func() { a.End(operation.MissDeadline) }))
	a.Seal()
}

// soon is the flusher of a call, which may have lost the goroutine that reads.
type soon struct{}

// FlushAfter implements flusher.
func (soon) FlushAfter(to *session.Session) { to.FlushSoon() }

// mayCall judges a call of a topic.
func (p *publisher) mayCall(c *session.Call) error {
	t := p.topic
	if c.Shape() != wire.Unary {
		return status.Errorf(status.WrongShape, "an acknowledged publication is a unary call, not %s", c.Shape())
	}
	if err := p.mayPass(); err != nil {
		p.m.hub.count.publications.Drop(deadletter.TooFast)
		return err
	}
	if err := p.pass.check(p.m, p.want()); err != nil {
		p.m.hub.count.publications.Drop(unheard(err))
		return err
	}
	if t.gone.Load() {
		p.m.hub.count.publications.Drop(deadletter.Undeclared)
		return status.Errorf(status.Undeclared, "topic %s of channel %s is declared no more", t.at.name, t.at.channel)
	}
	if err := p.m.misfit(t.checks.Load().Publication(c.Codec, c.Payload)); err != nil {
		p.m.hub.count.published.Add(1)
		p.m.hub.count.publications.Drop(deadletter.Malformed)
		p.m.lose(operation.KindPublication, t.at, c.Message(), "", deadletter.Malformed.String())
		return err
	}
	return nil
}

// answer tells the publisher. It is called once, and under locks of others.
func (a *acknowledged) answer(r operation.Receipt) {
	a.release()
	a.s.Answer(a.id, bodyOf(r))
	a.s.FlushSoon()
}

// Cancelled implements session.Canceller: the publisher waits no more.
func (a *acknowledged) Cancelled(reason *status.Error) {
	a.forget()
	a.s.Refuse(a.id, reason)
	a.s.FlushSoon()
}

// forget ends the Receipt without an answer.
func (a *acknowledged) forget() {
	if a.Drop() {
		a.release()
	}
}

func (a *acknowledged) release() {
	a.h.awaited.Add(-a.owed)
	if t := a.timer.Load(); t != nil {
		t.Stop()
	}
}
