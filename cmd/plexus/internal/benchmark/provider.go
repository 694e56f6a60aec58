// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
)

// Names on both routes, and at a hub.
const (
	channelName  = "bench"
	providerName = "provider"

	methodEcho   = "echo"   // bytes → the same bytes
	methodStream = "stream" // request → so many items of such a size
	methodPulse  = "pulse"  // duplex: for each request one stamped item
	topicFeed    = "feed"
	eventBurst   = "burst" // request: publish so many
	eventBeat    = "beat"  // request: publish one, stamped
	eventAck     = "ack"   // request: all subscribers have so many of the burst
)

// windowBytes and windowCount bound what is published and not yet received by all, so that
// nothing is dropped: no queue on the way is shorter.
const (
	windowBytes = 16 << 20
	windowCount = 1024
)

// windowOf returns how many publications of a size may be under way.
func windowOf(size int) int { return min(max(windowBytes/size, 2), windowCount) }

// request says what to send; raw bytes, like all that is measured.
type request struct {
	burst       uint32 // the burst's number
	size, count uint32
}

func (r request) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, r.burst)
	b = binary.LittleEndian.AppendUint32(b, r.size)
	return binary.LittleEndian.AppendUint32(b, r.count)
}

func readRequest(b []byte) (request, error) {
	if len(b) != 12 {
		return request{}, errors.New("a request of the benchmark has 12 bytes")
	}
	u := binary.LittleEndian.Uint32
	r := request{u(b), u(b[4:]), u(b[8:])}
	if r.size > maxSize || r.size < minSize {
		return request{}, errors.New("the size is out of bounds")
	}
	return r, nil
}

// host is what offers: a server, or a channel of a hub.
type host interface {
	plexus.Provider
	plexus.Declarer
	plexus.Listener
	plexus.Publisher
}

// provider is the side that answers, streams and publishes.
type provider struct {
	to     host
	bursts chan request

	// The window of the present burst.
	number atomic.Uint32
	acked  atomic.Uint32
	signal chan struct{}
}

// serveProvider is the process of a provider: it listens, or joins a hub.
func serveProvider(ctx context.Context, a *family.Actor, t *task) error {
	p := &provider{bursts: make(chan request, 1), signal: make(chan struct{}, 1)}
	address, end, err := p.open(ctx, t)
	if err != nil {
		return err
	}
	defer end()
	inner, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { cancel(p.publish(inner)) }) // the load sees that we are gone
	defer func() {
		cancel(nil)
		wg.Wait()
	}()
	a.Say(note{Address: address})
	if err := obey(inner, a, nil); ctx.Err() == nil {
		return errors.Join(err, context.Cause(inner))
	}
	return nil
}

// open makes the host and offers everything at it.
func (p *provider) open(ctx context.Context, t *task) (address string, end func(), err error) {
	if t.Hub {
		o, err := t.dialOptions(providerName)
		if err != nil {
			return "", nil, err
		}
		c, err := plexus.Dial(ctx, t.Address, o)
		if err != nil {
			return "", nil, err
		}
		p.to = c.Channel(channelName)
		return t.Address, func() { c.Close() }, p.offer()
	}
	o, err := t.listenOptions(providerName)
	if err != nil {
		return "", nil, err
	}
	srv, err := plexus.NewServer(o)
	if err != nil {
		return "", nil, err
	}
	end = func() {
		srv.Close()
		os.RemoveAll(t.Folder)
	}
	p.to = srv
	if err = p.offer(); err == nil {
		err = srv.Bind(ctx, t.Address)
	}
	if err != nil {
		end()
		return "", nil, err
	}
	return srv.Endpoints()[0], end, nil
}

func (p *provider) offer() error {
	_, err := plexus.Handle(p.to, methodEcho, func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	if err != nil {
		return err
	}
	if _, err = plexus.HandleStream(p.to, methodStream, stream); err != nil {
		return err
	}
	if _, err = plexus.HandleDuplex(p.to, methodPulse, pulse); err != nil {
		return err
	}
	if _, err = plexus.Declare(p.to, topicFeed); err != nil {
		return err
	}
	plexus.On(p.to, eventBurst, func(_ context.Context, in []byte) {
		if r, err := readRequest(in); err == nil {
			p.bursts <- r
		}
	})
	plexus.On(p.to, eventBeat, p.beat)
	plexus.On(p.to, eventAck, p.ack)
	return nil
}

// stream sends so many items.
func stream(_ context.Context, in []byte, send func([]byte) error) error {
	r, err := readRequest(in)
	if err != nil {
		return err
	}
	item := make([]byte, r.size)
	for range r.count {
		if err := send(item); err != nil {
			return err
		}
	}
	return nil
}

// pulse sends a stamped item for each request.
func pulse(ctx context.Context, d *plexus.Duplex[[]byte, []byte]) error {
	var item []byte
	for {
		in, err := d.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := readRequest(in)
		if err != nil {
			return err
		}
		if len(item) != int(r.size) {
			item = make([]byte, r.size)
		}
		stamp(item)
		if err := d.Send(ctx, item); err != nil {
			return err
		}
	}
}

// beat publishes one stamped message.
func (p *provider) beat(ctx context.Context, in []byte) {
	r, err := readRequest(in)
	if err != nil {
		return
	}
	item := make([]byte, r.size)
	stamp(item)
	_ = plexus.Publish(ctx, p.to, topicFeed, item) // the load waits for it and says that it did not come
}

// ack moves the window on.
func (p *provider) ack(_ context.Context, in []byte) {
	r, err := readRequest(in)
	if err != nil || r.burst != p.number.Load() {
		return // the last of the burst before
	}
	p.acked.Store(r.count)
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// publish publishes bursts until ctx ends.
func (p *provider) publish(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-p.bursts:
			if err := p.burst(ctx, r); err != nil {
				return err
			}
		}
	}
}

func (p *provider) burst(ctx context.Context, r request) error {
	p.acked.Store(0)
	p.number.Store(r.burst)
	item := make([]byte, r.size)
	window := uint32(windowOf(int(r.size)))
	for i := range r.count {
		for i-p.acked.Load() >= window {
			select {
			case <-p.signal:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := plexus.Publish(ctx, p.to, topicFeed, item); err != nil {
			return err
		}
	}
	return nil
}
