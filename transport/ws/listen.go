// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Listen implements transport.Transport. Accept returns connections that are upgraded: those
// who never ask for it are nobody's concern but the listener's.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	if ep.Scheme() == "wss" && (opts == nil || opts.TLS == nil) {
		return nil, failed("listen", ep, errors.New("a wss listener needs a certificate in Options.TLS"))
	}
	below, opts, err := t.below(ep, opts)
	if err != nil {
		return nil, failed("listen", ep, err)
	}
	nl, err := t.tcp.ListenStream(ctx, below, opts)
	if err != nil {
		return nil, failed("listen", ep, err)
	}
	if addr, ok := nl.Addr().(*net.TCPAddr); ok && ep.Port() == 0 {
		if ep, err = ep.WithPort(addr.Port); err != nil {
			return nil, failed("listen", ep, errors.Join(err, nl.Close()))
		}
	}
	l := &listener{
		t: t, ep: ep, path: max(ep.Path(), "/"),
		served: make(chan struct{}), done: make(chan struct{}),
		slots: make(chan struct{}, t.cfg.MaxPending), queue: make(chan transport.Conn, t.cfg.MaxPending),
	}
	l.srv = l.server()
	go func() {
		defer close(l.served)
		l.err = l.srv.Serve(nl)
	}()
	return l, nil
}

// ncKey is where a request's context has the connection it came by.
type ncKey struct{}

// listener implements transport.Listener over an HTTP server.
//
//	connected ── request ──► upgraded, in queue ── Accept ──► the caller's
//	   │  at most MaxPending       │  at most MaxPending
//	   └► refused, or too slow     └► closed with the listener
type listener struct {
	t    *Transport
	ep   endpoint.Endpoint
	path string
	srv  *http.Server

	served chan struct{} // closed when the server has ended
	err    error         // why, valid after served
	done   chan struct{} // closed by Close

	pending  atomic.Int64   // connections without an upgrade
	requests sync.WaitGroup // the same, and handlers that run
	slots    chan struct{}  // one for each Conn in queue, or about to be
	queue    chan transport.Conn

	mu     sync.Mutex
	closed bool
}

// server returns the HTTP server with its limits.
func (l *listener) server() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	limit := l.t.cfg.UpgradeTimeout
	return &http.Server{
		Handler:           http.HandlerFunc(l.serve),
		Protocols:         &protocols,
		ReadHeaderTimeout: limit, ReadTimeout: limit, WriteTimeout: limit, IdleTimeout: limit, // until the upgrade
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0), // what strangers do wrong is counted
		ConnContext:                  func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, ncKey{}, nc) },
		ConnState:                    l.state,
	}
}

// state keeps count of the connections without an upgrade. StateNew comes from the goroutine
// that accepts, so nothing is added after served is closed but by a handler that is counted.
func (l *listener) state(nc net.Conn, s http.ConnState) {
	switch s { // active and idle change nothing
	case http.StateNew:
		l.requests.Add(1)
		if l.pending.Add(1) > int64(l.t.cfg.MaxPending) {
			l.t.refused.full.Add(1)
			_ = nc.Close()
		}
		if l.isClosed() { // the server may have closed all others before it knew of this one
			_ = nc.Close()
		}
	case http.StateHijacked:
		l.pending.Add(-1)
		l.requests.Done()
	case http.StateClosed:
		l.pending.Add(-1)
		l.t.refused.ended.Add(1)
		l.requests.Done()
	}
}

func (l *listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// serve upgrades a request, or refuses it.
func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	l.requests.Add(1)
	defer l.requests.Done()
	code, text, count := l.judge(r)
	if code == 0 {
		select {
		case l.slots <- struct{}{}:
			l.upgrade(w, r)
			return
		default:
			code, text, count = http.StatusServiceUnavailable, "too many connections wait to be accepted", &l.t.refused.full
		}
	}
	count.Add(1)
	w.Header().Set("Connection", "close")
	http.Error(w, text, code)
}

// judge says what is wrong with a request, 0 if it may go on.
func (l *listener) judge(r *http.Request) (code int, text string, count *atomic.Uint64) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	refused := &l.t.refused
	switch {
	case local == nil || !l.t.allow.host(r.Host, l.ep.Host(), local):
		return http.StatusForbidden, "this host name is not allowed here", &refused.host
	case !l.t.allow.origin(r.Header["Origin"]):
		return http.StatusForbidden, "this origin is not allowed here", &refused.origin
	case r.URL.Path != l.path:
		return http.StatusNotFound, "nothing is here", &refused.path
	case !offers(r.Header["Sec-Websocket-Protocol"]):
		return http.StatusBadRequest, "a WebSocket with the subprotocol " + Subprotocol + " is needed", &refused.protocol
	}
	return 0, "", nil
}

// offers reports whether the subprotocol is among those that a client lists.
func offers(headers []string) bool {
	for _, h := range headers {
		if slices.ContainsFunc(strings.Split(h, ","), func(p string) bool { return strings.TrimSpace(p) == Subprotocol }) {
			return true
		}
	}
	return false
}

// upgrade makes a Conn of a request and puts it into the queue. The caller has taken a slot.
func (l *listener) upgrade(w http.ResponseWriter, r *http.Request) {
	nc, _ := r.Context().Value(ncKey{}).(net.Conn)
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // judge has been stricter
	})
	if err != nil { // the response says why
		<-l.slots
		l.t.refused.protocol.Add(1)
		_ = http.NewResponseController(w).Flush() // fails only where nobody is left to read it
		_ = nc.Close()
		return
	}
	conn := newConn(c, nc, l.ep.Scheme()+"://"+nc.RemoteAddr().String())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue <- conn // there is room: a slot is taken; what comes after Close is closed there
}

// Endpoint implements transport.Listener.
func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }

// Accept implements transport.Listener.
func (l *listener) Accept() (transport.Conn, error) {
	if l.isClosed() {
		return nil, l.failed(net.ErrClosed)
	}
	select {
	case c := <-l.queue:
		<-l.slots
		return c, nil
	case <-l.done:
		return nil, l.failed(net.ErrClosed)
	case <-l.served:
		if l.isClosed() {
			return nil, l.failed(net.ErrClosed)
		}
		return nil, l.failed(l.err)
	}
}

func (l *listener) failed(err error) error {
	return &transport.Error{Op: "accept", Endpoint: l.ep.String(), Err: err}
}

// Close implements transport.Listener. It ends connections that were not accepted, and returns
// when nothing of the listener runs any more.
func (l *listener) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if !first {
		<-l.served
		l.requests.Wait()
		return nil
	}
	close(l.done)
	err := l.srv.Close()
	<-l.served
	l.requests.Wait()
	var left sync.WaitGroup
	defer left.Wait()
	for {
		select {
		case c := <-l.queue:
			<-l.slots
			left.Go(func() { _ = c.Close() })
		default:
			return err
		}
	}
}
