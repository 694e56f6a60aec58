// SPDX-License-Identifier: Apache-2.0

// Package floor is the least that Go can do on the transports that Plexus uses: frames of
// length, number and payload; no handshake, no names, no errors, no limits. What a system
// with those loses against it is its price.
//
// Sockets: a lone caller reads its own reply; several share a reader, and whoever comes
// first writes for all who come meanwhile, after one Gosched. The answering end answers
// inline and writes when there is no complete request left. Shared memory: see ring.go.
// The floor of publishing is three processes that copy chunks of 64 KiB and read none of
// them.
package floor

import (
	"fmt"
	"net"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// link carries frames. put and flush belong to one goroutine at a time, poll and next to
// one as well.
type link interface {
	// put appends a frame to what goes out; the bytes may be used again.
	put(id uint32, p []byte)
	// flush sends what was put.
	flush()
	// poll returns a frame that is here already, next waits for one; it is valid until the
	// following poll or next. next is false when the connection has ended.
	poll() (id uint32, p []byte, ok bool)
	next() (id uint32, p []byte, ok bool)
}

// System returns the floor.
func System() lab.System {
	return lab.System{
		Name: "floor", About: "the least that Go can do on this transport: no names, no errors, no limits",
		Schemes: schemes,
		Serve:   serve, Hub: relay, Provide: provide, Dial: dial, Subscribe: subscribe, Publish: publish,
	}
}

// Who somebody is, the first byte of a connection.
const (
	caller     = 'c'
	provider   = 'p'
	subscriber = 's'
	publisher  = 'u'
	streamer   = 't' // asks for a stream: see stream.go
	lender     = 'l' // passes blocks by reference
)

// connect dials and says who it is.
func connect(j lab.Job, who byte) (net.Conn, link, error) {
	scheme, path := lab.Split(j.At)
	if scheme == "shm" {
		return connectRing(j, path, who)
	}
	c, err := lab.Connect(j)
	if err != nil {
		return nil, nil, err
	}
	_, err = c.Write([]byte{who})
	return c, newSocket(c), err
}

// accept waits for one and learns who it is.
func accept(l net.Listener, shared bool) (net.Conn, link, byte, error) {
	c, err := l.Accept()
	if err != nil {
		return nil, nil, 0, err
	}
	if shared {
		return acceptRing(c)
	}
	who := []byte{0}
	_, err = c.Read(who)
	return c, newSocket(c), who[0], err
}

// listen listens, for shared memory on the socket where the ends meet.
func listen(j lab.Job) (l net.Listener, shared bool, err error) {
	scheme, path := lab.Split(j.At)
	if scheme == "shm" {
		l, err = net.Listen("unix", path)
		return l, true, err
	}
	l, err = lab.Listen(j)
	return l, false, err
}

func serve(j lab.Job) error {
	l, shared, err := listen(j)
	if err != nil {
		return err
	}
	go func() {
		for {
			_, link, who, err := accept(l, shared)
			if err != nil {
				return
			}
			switch who {
			case streamer:
				go produce(link, j.Bytes)
			case lender:
				go readLoans(link)
			default:
				go echo(link)
			}
		}
	}()
	return nil
}

// echo answers until the peer goes.
func echo(l link) { forward(l, l) }

// forward sends on what comes, and flushes when there is no more for now.
func forward(from, to link) {
	for {
		id, p, ok := from.poll()
		if !ok {
			to.flush()
			if id, p, ok = from.next(); !ok {
				return
			}
		}
		to.put(id, p)
	}
}

func provide(j lab.Job) error {
	_, link, err := connect(j, provider)
	if err != nil {
		return err
	}
	go echo(link)
	return nil
}

// relay is the hub: of one provider and one caller, or of publishers and subscribers.
func relay(j lab.Job) error {
	l, shared, err := listen(j)
	if err != nil {
		return err
	}
	go func() {
		var behind link
		var subs []peer
		for {
			c, link, who, err := accept(l, shared)
			if err != nil {
				return
			}
			switch who {
			case provider:
				behind = link
			case caller:
				go forward(link, behind)
				go forward(behind, link)
			case subscriber:
				subs = append(subs, peer{c, link})
			case publisher:
				go fan(peer{c, link}, subs)
			}
		}
	}()
	return nil
}

func dial(j lab.Job) (*lab.Client, error) {
	who := byte(caller)
	switch j.Pattern {
	case lab.Streams:
		who = streamer
	case lab.Loans:
		who = lender
	}
	_, l, err := connect(j, who)
	if err != nil {
		return nil, err
	}
	switch who {
	case streamer:
		return &lab.Client{Stream: func(n int) error { return consume(l, n, j.Bytes) }}, nil
	case lender:
		return lend(l, j.Bytes)
	}
	if j.Callers == 1 {
		return &lab.Client{Call: alone(l)}, nil
	}
	return &lab.Client{Call: share(l, j.Callers)}, nil
}

// alone is the call of a lone caller: it reads its own reply.
func alone(l link) func(int, []byte) ([]byte, error) {
	var reply []byte
	r, shared := l.(attender)
	return func(_ int, request []byte) ([]byte, error) {
		if shared {
			r.attend() // before sending, or a fast answer rings the bell
		}
		l.put(0, request)
		l.flush()
		_, p, ok := l.next()
		if !ok {
			return nil, fmt.Errorf("the floor has gone")
		}
		if len(reply) != len(p) {
			reply = make([]byte, len(p))
		}
		lab.Copy(reply, p)
		return reply, nil
	}
}

// attender is a link that polls memory before it sleeps.
type attender interface {
	attend()
	// crowd says that other goroutines have work while this end polls.
	crowd(waiting func() bool)
}
