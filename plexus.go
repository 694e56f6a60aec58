// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/fd"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

// Client is the dialling end of a conversation, see Dial.
type Client = client.Client

// Channel is a handle on a channel of a hub, or on the direct peer itself.
type Channel = service.Channel

// DialOptions tune Dial. nil and the zero value are useful.
type DialOptions struct {
	// ID is the wanted member id, "" for one that the other side chooses. One that another
	// has is status.AlreadyExists; that of a session which has just ended is free again.
	ID string
	// Secret is shared with the server: each side proves to the other that it knows it.
	Secret []byte
	// Token says who this side is and what it may do, see package token: the server has to
	// ask for one. It does not prove anything about the server.
	Token *token.Holder
	// Server says as which users the server may run, where the transport knows it; others
	// are refused before anything is sent. nil: at a unix address, unless the server proves
	// Secret, only this user and root, and any user at a path where nobody else can write.
	Server *auth.Allow
	// TLS configures tls addresses. With a certificate, that is who this side is.
	TLS *tls.Config
	// Metadata is what this program says about itself.
	Metadata map[string]string
	// Lazy leaves connecting to the first use.
	Lazy bool
	// Reconnect, if not nil, has the connection made anew when it is lost, and with it what
	// this side has joined, provides, has declared and subscribes to. &client.Reconnect{} is
	// useful as it is.
	Reconnect *client.Reconnect
	// OnError is told of what goes wrong without a caller to tell it to: events that do not
	// decode (see On) or that nobody here listens for any more, listeners that panic. It must
	// not block. Without it they are lines of Log.
	OnError func(error)
	// Transports are the drivers, nil for those of the standard set: unix, unixpacket,
	// unixgram, tcp, tls, shm, mem, stdio, fd.
	Transports *transport.Set
	// More are drivers beside those, such as one of transport/noise.
	More []transport.Transport
	// Transport and Session tune the layers below; what is set here goes before.
	Transport transport.Options
	Session   session.Config
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
}

// Dial connects to an address and returns a Client, to be closed by the caller. ctx
// bounds the connecting only.
func Dial(ctx context.Context, address string, o *DialOptions) (*Client, error) {
	if o == nil {
		o = &DialOptions{}
	}
	set := setOf(o.Transports).With(o.More...)
	ep, err := resolve(address, set)
	if err != nil {
		return nil, err
	}
	cfg := client.Config{Set: set, Endpoint: ep, Session: o.Session, Reconnect: o.Reconnect, OnError: complaints(o.OnError, o.Log)}
	opts := o.Transport
	if o.TLS != nil {
		opts.TLS = o.TLS
	}
	cfg.Transport = &opts
	o.introduce(&cfg.Session)
	if err := present(&cfg.Session, o); err != nil {
		return nil, err
	}
	if cfg.Session.MayServe == nil {
		cfg.Session.MayServe = mayServe(ep, o, cfg.Session.Auth)
	}
	c := client.New(cfg)
	if o.Lazy {
		return c, nil
	}
	if err := c.Connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// tlsConfig returns the configuration of tls addresses, nil if there is none.
func (o *DialOptions) tlsConfig() *tls.Config {
	if o.TLS != nil {
		return o.TLS
	}
	return o.Transport.TLS
}

// introduce sets what the other side is told of this one.
func (o *DialOptions) introduce(s *session.Config) {
	orString(&s.ID, o.ID)
	if o.Metadata != nil {
		s.Metadata = o.Metadata
	}
	if o.Log != nil {
		s.Log = o.Log
	}
}

// ListenOptions tune Listen. nil and the zero value are useful.
type ListenOptions struct {
	// ID is the server's own id.
	ID string
	// Secret must be proved by every client, and is proved to it. On unix sockets the
	// peer's user is checked in any case: the same user and root may connect, unless
	// Allow says otherwise.
	Secret []byte
	// SharedSecret, if not nil, stands instead of Secret, for who wants to replace it while
	// the server runs.
	SharedSecret *auth.SharedSecret
	// Tokens, if not nil, judges the clients' tokens, see package token. A client needs one,
	// beside the secret if there is one, unless its user may connect.
	Tokens *token.Verifier
	// Allow says which users may connect over transports that know them.
	Allow *auth.Allow
	// TLS configures tls addresses; it needs a certificate. A client whose certificate it
	// verifies is called after it, see auth.Certificates.
	TLS *tls.Config
	// One makes it a server of one peer: others are told status.Busy.
	One bool
	// MaxSessions bounds the sessions, 0 for server.DefaultMaxSessions: others are told
	// status.LimitExceeded.
	MaxSessions int
	// MaxHandshakes and MaxSessionRate bound what comes at once, see server.Config.
	MaxHandshakes, MaxSessionRate int
	// Hub, if not nil, gets the sessions: its members then meet in channels.
	Hub *hub.Hub
	// OnError is told of what goes wrong without a caller, see DialOptions.
	OnError func(error)
	// Transports are the drivers, see DialOptions.
	Transports *transport.Set
	// More are drivers beside those.
	More []transport.Transport
	// Transport and Session tune the layers below.
	Transport transport.Options
	Session   session.Config
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
}

// Server is the accepting end, see Listen.
type Server struct {
	*server.Server
	set  transport.Set
	opts *transport.Options

	mu   sync.Mutex
	ends []endpoint.Endpoint
	wg   sync.WaitGroup
}

// Listen binds an address and serves it until Close.
func Listen(address string, o *ListenOptions) (*Server, error) {
	s, err := NewServer(o)
	if err != nil {
		return nil, err
	}
	if err := s.Bind(context.Background(), address); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// NewServer returns a Server that listens nowhere yet.
func NewServer(o *ListenOptions) (*Server, error) {
	if o == nil {
		o = &ListenOptions{}
	}
	cfg := server.Config{
		Session: o.Session, One: o.One, MaxSessions: o.MaxSessions, MaxHandshakes: o.MaxHandshakes, MaxSessionRate: o.MaxSessionRate,
		Log: o.Log, OnError: complaints(o.OnError, o.Log),
	}
	c := &cfg.Session
	orString(&c.ID, o.ID)
	if o.Log != nil {
		c.Log = o.Log
	}
	if err := protect(c, o); err != nil {
		return nil, err
	}
	if o.Hub != nil {
		cfg.Admission = func(base session.Config) server.Admission { return admission(o.Hub, base) }
	}
	opts := o.Transport
	if o.TLS != nil {
		opts.TLS = o.TLS
	}
	set := setOf(o.Transports)
	if o.Transports == nil && o.Hub != nil {
		set = busy()
	}
	return &Server{Server: server.New(cfg), set: set.With(o.More...), opts: &opts}, nil
}

// admission lets a connection into a hub.
func admission(h *hub.Hub, base session.Config) server.Admission {
	a := h.Admission(base)
	attach := func(s *session.Session) error {
		_, err := a.Attach(s)
		return err
	}
	return server.Admission{Config: a.Config(), Attach: attach, Release: a.Release}
}

// Join returns a client of a hub in the same process, without a socket between them. s is
// a Server that serves the hub. It need prove nothing: of o only ID, Metadata, Session,
// OnError and Log count.
func Join(ctx context.Context, s *Server, o *DialOptions) (*Client, error) {
	if o == nil {
		o = &DialOptions{}
	}
	cfg := client.Config{Session: o.Session, Reconnect: o.Reconnect, OnError: complaints(o.OnError, o.Log), Dial: func(context.Context) (transport.Conn, error) {
		near, far := mem.Pipe()
		s.wg.Go(func() { _ = s.ServeConn(far, true) }) // the client is told as well
		return near, nil
	}}
	o.introduce(&cfg.Session)
	c := client.New(cfg)
	if err := c.Connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Bind binds one more address.
func (s *Server) Bind(ctx context.Context, address string) error {
	ep, err := resolve(address, s.set)
	if err != nil {
		return err
	}
	l, err := s.set.Listen(ctx, ep, s.opts)
	if err != nil {
		return listenError(err)
	}
	s.Take(l)
	return nil
}

// Take serves a listener that was made in another way: inherited, see socket.Inherit. The
// rules of the Server about who may connect hold for it as for others. It belongs to the
// Server from now on.
func (s *Server) Take(l transport.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, l.Endpoint())
	s.wg.Go(func() { _ = s.Server.Serve(l) }) // fails only if the server was closed meanwhile
}

// Endpoints lists the addresses as they really are: a port 0 is resolved.
func (s *Server) Endpoints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, ep := range s.ends {
		all = append(all, ep.String())
	}
	return all
}

// Close ends everything at once and returns when it has ended.
func (s *Server) Close() error {
	err := s.Server.Close()
	s.wg.Wait()
	return err
}

// standard is the set that is used when none is given, busy the one of a hub, for whom
// many wait: it polls shared memory longer before it sleeps. Both are read only.
var (
	standard = sync.OnceValue(func() transport.Set {
		memory := shm.New(socket.Unix(), nil)
		inherited := fd.New(fd.Adopter{Listener: socket.AdoptListener, Conn: func(nc net.Conn, remote string) (transport.Conn, error) {
			c, err := socket.Adopt(nc, remote)
			if err != nil {
				return nil, err
			}
			return memory.Adopt(c), nil
		}})
		return transport.NewSet(socket.New(), memory, mem.New(), stdio.NewTransport(), inherited)
	})
	busy = sync.OnceValue(func() transport.Set {
		return standard().With(shm.New(socket.Unix(), &shm.Options{Spin: 200 * time.Microsecond}))
	})
)

func setOf(s *transport.Set) transport.Set {
	if s != nil {
		return *s
	}
	return standard()
}

// resolve parses an address; a name becomes a path in the user's own directory, where on
// Linux two that share memory meet as well as two that do not. This is the one place of the
// library that reads the environment.
func resolve(address string, set transport.Set) (endpoint.Endpoint, error) {
	ep, err := endpoint.Parse(address)
	if err != nil {
		return ep, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if ep.Scheme() != "auto" {
		return ep, nil
	}
	dir := endpoint.RuntimeDir(os.Getenv, os.Getuid(), runtime.GOOS) //nolint:forbidigo // see above
	if ep, err = ep.Resolve(dir); err != nil {
		return ep, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if runtime.GOOS == "linux" && slices.Contains(set.Schemes(), "shm") {
		if ep, err = ep.WithScheme("shm"); err != nil {
			return ep, status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	return ep, nil
}

// listenError gives a failure to bind its code.
func listenError(err error) error {
	code := status.Unavailable
	switch {
	case errors.Is(err, transport.ErrInUse), errors.Is(err, transport.ErrForeign):
		code = status.AlreadyExists
	case errors.Is(err, transport.ErrDenied):
		code = status.PermissionDenied
	case errors.Is(err, errors.ErrUnsupported):
		code = status.Unsupported
	case errors.Is(err, fs.ErrNotExist): // the folder of a path
		code = status.FailedPrecondition
	}
	return &status.Error{Code: code, Message: err.Error(), Err: err}
}

// complaints returns what is told of failures without a caller: f, or a line of the log.
func complaints(f func(error), log *slog.Logger) func(error) {
	if f != nil || log == nil {
		return f
	}
	return func(err error) { log.Warn("failure without a caller", "error", err.Error()) }
}

func orString(v *string, s string) {
	if s != "" {
		*v = s
	}
}
