// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
	"github.com/plexus-ipc/plexus/status"
)

// work is a case made ready.
type work interface {
	// run does so many operations and returns when all have ended.
	run(ctx context.Context, count int) error
	// delay sends one message at a time for about so long.
	delay(ctx context.Context, budget time.Duration) error
	// times returns the durations that run (of calls) or delay have counted since the
	// last reset.
	times() *histogram
	// reset forgets them.
	reset()
	// finish takes everything down.
	finish()
}

// load is the side that calls and receives.
type load struct {
	t      *task
	client *plexus.Client
	at     *plexus.Channel // the provider's channel, or the provider itself
	events *plexus.Channel // where events for the provider go
	bursts uint32          // how many there have been
	opened int             // subscribers so far
	work   work
}

// serveLoad is the process of the load.
func serveLoad(ctx context.Context, a *family.Actor, t *task) error {
	o, err := t.dialOptions("load")
	if err != nil {
		return err
	}
	l := &load{t: t}
	if l.client, err = plexus.Dial(ctx, t.Address, o); err != nil {
		return err
	}
	defer l.client.Close()
	defer context.AfterFunc(ctx, func() { l.client.Close() })() // whatever is under way fails then
	l.at = l.channel(l.client)
	l.events = l.at
	if t.Hub {
		l.events = l.at.At(providerName)
	}
	a.Say(note{})
	defer func() {
		if l.work != nil {
			l.work.finish()
		}
	}()
	return obey(ctx, a, func(o *order) (note, error) { return l.do(ctx, o) })
}

// channel is the provider's channel as a client sees it.
func (l *load) channel(c *plexus.Client) *plexus.Channel {
	if l.t.Hub {
		return c.Channel(channelName)
	}
	return c.Channel("")
}

// do carries out an order.
func (l *load) do(ctx context.Context, o *order) (note, error) {
	var err error
	var n note
	switch o.Do {
	case doPrepare:
		if l.work != nil {
			l.work.finish()
		}
		if l.work, err = l.prepare(ctx, o.Case); err != nil {
			l.work = nil // it may hold a nil pointer
		}
	case doRun:
		l.work.reset()
		began := time.Now()
		err = l.work.run(ctx, o.Count)
		n.Took = time.Since(began)
		n.percentiles(l.work.times())
	case doDelay:
		l.work.reset()
		err = l.work.delay(ctx, o.Budget)
		n.percentiles(l.work.times())
	case doFinish:
		l.work.finish()
		l.work = nil
	default:
		err = fmt.Errorf("there is no order %q", o.Do)
	}
	return n, err
}

// percentiles notes those of a histogram.
func (n *note) percentiles(h *histogram) { n.P50, n.P99 = h.quantile(0.5), h.quantile(0.99) }

func (l *load) prepare(ctx context.Context, k report.Case) (work, error) {
	switch k.Pattern {
	case report.Call:
		return newCalls(l, k), nil
	case report.Stream:
		return newStreams(ctx, l, k)
	case report.Publish:
		return newSubscribers(ctx, l, k)
	}
	return nil, status.Errorf(status.InvalidArgument, "there is no pattern %q", k.Pattern)
}
