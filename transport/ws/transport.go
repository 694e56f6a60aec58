// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/coder/websocket"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// What both sides of a connection agree on.
const (
	// Subprotocol is what both sides must name in the Sec-WebSocket-Protocol header.
	Subprotocol = "plexus.v1"
	// MaxMessage is the longest message that is sent or taken, in bytes. It holds a frame
	// of any size.
	MaxMessage = transport.ChunkSize
)

// Defaults of Config.
const (
	// DefaultUpgradeTimeout is how long TLS and the HTTP request may take.
	DefaultUpgradeTimeout = 5 * time.Second
	// DefaultMaxPending is how many connections of a listener may be without an upgrade.
	DefaultMaxPending = 256
)

const (
	maxHeader = 8 << 10 // of a request, and of a response
	maxExcuse = 200     // how much of a refusal's text a dialler repeats
)

// Config says what a listener takes. The zero value is useful: no web page gets in.
type Config struct {
	// Origins lists the origins of web pages that may connect, such as
	// "https://app.example": scheme, host, and a port that is not the scheme's own. There are
	// no patterns. Requests without an Origin header come from no page and need none.
	Origins []string
	// Hosts lists names, with or without a port, that requests may have in their Host header
	// beside the listener's own: those under which a proxy or a resolver makes it known.
	Hosts []string
	// UpgradeTimeout bounds TLS and the HTTP request, on both sides; 0 for
	// DefaultUpgradeTimeout.
	UpgradeTimeout time.Duration
	// MaxPending bounds the connections of a listener that are without an upgrade, and those
	// that wait for Accept after it; 0 for DefaultMaxPending.
	MaxPending int
}

// Refusals counts connections that all listeners of a Transport turned away, by reason.
type Refusals struct {
	Origin   uint64 // a web page that is not listed
	Host     uint64 // a Host header that is not the listener's
	Path     uint64 // another path than the endpoint's
	Protocol uint64 // no correct upgrade to WebSocket with the subprotocol
	Full     uint64 // MaxPending was reached
	// Ended is how many connections ended without an upgrade: those above, and those that
	// were too slow, sent something else than HTTP or too much of it, or went away.
	Ended uint64
}

type refusals struct{ origin, host, path, protocol, full, ended atomic.Uint64 }

// Transport is the driver for ws and wss. Its configuration never changes: all methods may be
// called from any goroutine.
type Transport struct {
	tcp     transport.StreamTransport
	cfg     Config
	allow   allowed
	refused refusals
}

var _ transport.Transport = (*Transport)(nil)

// New returns the driver. tcp, such as socket.TCP(), makes the connections, for wss the tls
// ones. The error says which origin or host is none.
func New(tcp transport.StreamTransport, cfg Config) (*Transport, error) {
	allow, err := newAllowed(cfg.Origins, cfg.Hosts)
	if err != nil {
		return nil, &transport.Error{Op: "configure", Endpoint: "ws", Err: err}
	}
	if cfg.UpgradeTimeout <= 0 {
		cfg.UpgradeTimeout = DefaultUpgradeTimeout
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = DefaultMaxPending
	}
	return &Transport{tcp: tcp, cfg: cfg, allow: allow}, nil
}

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{"ws", "wss"} }

// Refusals returns the counts up to now.
func (t *Transport) Refusals() Refusals {
	r := &t.refused
	return Refusals{r.origin.Load(), r.host.Load(), r.path.Load(), r.protocol.Load(), r.full.Load(), r.ended.Load()}
}

// Dial implements transport.Transport. It returns after the upgrade, does not follow redirects,
// and takes no proxy from the environment. A refusal with status 401 or 403 is
// transport.ErrDenied.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	below, opts, err := t.below(ep, opts)
	if err != nil {
		return nil, failed("dial", ep, err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.UpgradeTimeout)
	defer cancel()
	nc, err := t.tcp.DialStream(ctx, below, opts)
	if err != nil {
		return nil, failed("dial", ep, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	c, err := upgrade(ctx, nc, ep)
	if !stop() && err == nil {
		err = ctx.Err()
		_ = c.CloseNow()
	}
	if err == nil {
		return newConn(c, nc, ep.String()), nil
	}
	_ = nc.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, failed("dial", ep, err)
}

// below returns the address of the connection below, and the options for it.
func (t *Transport) below(ep endpoint.Endpoint, opts *transport.Options) (endpoint.Endpoint, *transport.Options, error) {
	if ep.Scheme() == "ws" {
		below, err := endpoint.Parse("tcp://" + ep.Address())
		return below, opts, err
	}
	o := transport.Options{}
	if opts != nil {
		o = *opts
	}
	if o.TLS == nil {
		o.TLS = new(tls.Config)
	}
	o.TLS = o.TLS.Clone()
	o.TLS.NextProtos = []string{"http/1.1"} // HTTP/2 has no upgrade
	below, err := endpoint.Parse("tls://" + ep.Address())
	return below, &o, err
}

// upgrade asks for a WebSocket over nc.
func upgrade(ctx context.Context, nc net.Conn, ep endpoint.Endpoint) (*websocket.Conn, error) {
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:            func(context.Context, string, string) (net.Conn, error) { return nc, nil },
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// nc is what wss needs already: to the client below, both are http.
	url := "http" + strings.TrimPrefix(ep.String(), ep.Scheme())
	opts := &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{Subprotocol}}
	c, resp, err := websocket.Dial(ctx, url, opts) //nolint:bodyclose // it is nil, or in memory
	if err != nil {
		return nil, refusal(resp, err)
	}
	if c.Subprotocol() != Subprotocol {
		_ = c.CloseNow()
		return nil, errors.New("it is a WebSocket, but not one of Plexus: it does not speak " + Subprotocol)
	}
	return c, nil
}

// refusal says what an HTTP response other than an upgrade means.
func refusal(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	var said []byte
	if resp.Body != nil {
		said, _ = io.ReadAll(io.LimitReader(resp.Body, maxExcuse)) // what there is of it is enough
	}
	text := fmt.Sprintf("it answers HTTP status %d, %q", resp.StatusCode, strings.TrimSpace(strings.Map(printable, string(said))))
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: %w", text, transport.ErrDenied)
	case http.StatusNotFound:
		return errors.New(text + ": no Plexus is at this path")
	}
	return errors.New(text)
}

// printable drops what a terminal might obey.
func printable(r rune) rune {
	if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// failed gives an error its address, and drops that of the transport below.
func failed(op string, ep endpoint.Endpoint, err error) error {
	var below *transport.Error
	if errors.As(err, &below) {
		return &transport.Error{Op: op, Endpoint: ep.String(), Reason: below.Reason, Err: below.Err}
	}
	return &transport.Error{Op: op, Endpoint: ep.String(), Err: err}
}
