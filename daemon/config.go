// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"io/fs"
	"log/slog"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/noise"
)

// Defaults of Config.
const (
	DefaultAddress      = "plexus" // a name: the user's own directory
	DefaultMaxSessions  = 10_000
	DefaultDataTimeout  = time.Minute
	DefaultDrainTimeout = 10 * time.Second
)

// Config describes a Daemon. The zero value is useful: a hub at DefaultAddress that serves
// its own user and root.
type Config struct {
	// Listen are the addresses, of any transports, at least one; nil is DefaultAddress.
	Listen []string
	// Inherited are sockets that listen already, see InheritedSockets. With them nil Listen is
	// no further address.
	Inherited []Inherited
	// Notify, if not nil, tells a service manager that the daemon is ready, that it is alive and
	// that it ends. It is the Daemon's from New on, and closed at the end of Run.
	Notify *Notifier
	// Hub describes the hub: its id, the limits, the owner policy. AllowStop lets members
	// stop the daemon; OnStop, Endpoints and Log are set by New.
	Hub hub.Config

	// Validate is what becomes of messages that do not fit the schema of their method or
	// topic: schema.Off (""), Warn or Reject. Hub.Schemas is made of it unless it is set.
	Validate string

	// DeadLetters keeps messages that nobody got. Hub.DeadLetters is made of it if it has a Path.
	DeadLetters DeadLetters
	// AccessFile is a file with the access list: who may do what, see guard.ParseAccess. It is
	// read by New, and anew by Reload. Hub.Access is made of it.
	AccessFile string

	// Secret, or the content of SecretFile, must be proved by every client.
	Secret     []byte
	SecretFile string
	// PreviousSecretFile has a secret that is still taken, while clients get the new one.
	PreviousSecretFile string
	// TokenIssuerFiles have the public keys of those whose tokens are taken, see package
	// auth/token. Then a client needs a token, unless its user may connect.
	TokenIssuerFiles []string
	// RevokedFile lists tokens that are taken no more.
	RevokedFile string
	// PasswordFiles are the files with the passwords of channels, by channel, beside those in
	// Hub.Passwords.
	PasswordFiles map[string]string
	// Allow says which users may connect over transports that know them; nil: the own one
	// and root. With it, transports that do not know the user (tcp) admit nobody.
	Allow *auth.Allow
	// Mode and Group are given to socket paths, unless an address has options of its own;
	// 0 is 0600.
	Mode  fs.FileMode
	Group string
	// SocketBuffer is the size of the send and receive buffers of sockets, in bytes; 0 is the
	// system's.
	SocketBuffer int
	// TLS names the files for tls addresses. With a CA, clients need a certificate of it.
	TLS TLSFiles
	// Noise names the keys for noise+tcp addresses.
	Noise NoiseFiles
	// Web says which web pages may connect to ws and wss addresses, by default none.
	Web WebOptions

	// AllowBridges are the names of the identities that may be bridges of this hub, "*" for all.
	// Hub.Bridges is made of it unless it is set.
	AllowBridges []string
	// Bridges are the addresses of hubs that this one is to be linked with, from its side: the
	// daemon dials both, itself at its first address, with the same secret and TLS files.
	// Then its own user may be a bridge, too.
	Bridges []string
	// BridgeChannels are names and patterns of the channels that go over Bridges, both ways;
	// nil is all.
	BridgeChannels []string

	// MaxSessions is how many clients may be connected.
	MaxSessions int
	// MaxHandshakes and MaxSessionRate bound what comes at once, see server.Config.
	MaxHandshakes, MaxSessionRate int
	// MaxMessage, MaxCalls, MaxRoutes, StreamWindow and RouteWindow are limits per
	// session, see session.Config for their meaning and defaults.
	MaxMessage, MaxCalls, MaxRoutes, StreamWindow, RouteWindow int

	// Heartbeat is the silence after which a client is asked for a sign of life, see
	// session.Config; 0 is session.DefaultHeartbeat where the kernel does not report its
	// death at once (tcp, tls), and none elsewhere; negative: none. HeartbeatTimeout, 0 for
	// the same, and HeartbeatGrace more is how long the answer may take.
	Heartbeat, HeartbeatTimeout, HeartbeatGrace time.Duration
	// IdleTimeout ends a session that is not used: nothing but heartbeats is sent or received,
	// and no call, stream or subscription is open; 0: never.
	IdleTimeout time.Duration
	// FrameTimeout ends a session whose peer begins a frame and does not finish it; 0 is
	// session.DefaultFrameTimeout, negative: never.
	FrameTimeout time.Duration
	// DataTimeout ends a session whose peer takes nothing that waits for it.
	DataTimeout time.Duration
	// HandshakeTimeout bounds the time until a client has proved who it is.
	HandshakeTimeout time.Duration
	// DrainTimeout is how long what is under way may take when the daemon ends.
	DrainTimeout time.Duration

	// Transports are the drivers, nil for the standard set.
	Transports *transport.Set
	// Log takes what is worth a line; nil discards it. At debug level every frame is one.
	Log *slog.Logger
}

// withDefaults returns a copy with every zero field set that is not another package's.
func (c Config) withDefaults() Config {
	if len(c.Listen) == 0 && len(c.Inherited) == 0 {
		c.Listen = []string{DefaultAddress}
	}
	if c.MaxSessions <= 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	orDuration(&c.DataTimeout, DefaultDataTimeout)
	orDuration(&c.DrainTimeout, DefaultDrainTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v == 0 {
		*v = def
	}
}

// check refuses what can be seen to be wrong before anything is opened.
func (c *Config) check() error {
	for _, address := range c.Listen {
		ep, err := endpoint.Parse(address)
		if err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
		if (ep.Scheme() == "tls" || ep.Scheme() == "wss") && c.TLS.Cert == "" {
			return status.Errorf(status.InvalidArgument, "a hub at %s needs a certificate and its key: name their files (--tls-cert, --tls-key)", ep)
		}
		if ep.Scheme() == noise.Scheme && !c.Noise.listens() {
			return status.Errorf(status.InvalidArgument, "a hub at %s needs a shared key, or its own and whom to admit: name their files (--noise-shared-file, or --noise-private-file and --noise-admit-file)", ep)
		}
	}
	if p := c.Hub.OwnerPolicy; p != "" && p != hub.Terminate && p != hub.Promote {
		return status.Errorf(status.InvalidArgument, "owner policy %q is unknown: it is %s or %s", p, hub.Terminate, hub.Promote)
	}
	if p := c.Hub.ErrorPolicy; p != "" && !p.Known() {
		return status.Errorf(status.InvalidArgument, "--errors %q is unknown: it is %s, %s or %s", p, hub.Ignore, hub.Broadcast, hub.Raise)
	}
	if p := schema.Policy(c.Validate); p != "" && p != schema.Off && p != schema.Warn && p != schema.Reject {
		return status.Errorf(status.InvalidArgument, "--validate %q is unknown: it is %s, %s or %s", p, schema.Off, schema.Warn, schema.Reject)
	}
	for _, r := range c.Hub.ChannelRates {
		if err := r.Valid(); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	if id := c.Hub.ID; id != "" {
		if err := subject.ValidateMember(id); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	if err := c.checkBridges(); err != nil {
		return err
	}
	if c.Secret != nil && c.SecretFile != "" {
		return status.Errorf(status.InvalidArgument, "a secret and a secret file are given: one of them, please")
	}
	return nil
}

// session is the configuration of each session.
func (c *Config) session() session.Config {
	return session.Config{
		MaxMessage: c.MaxMessage, MaxCalls: c.MaxCalls, MaxRoutes: c.MaxRoutes,
		StreamWindow: c.StreamWindow, RouteWindow: c.RouteWindow,
		HandshakeTimeout: c.HandshakeTimeout, DataTimeout: c.DataTimeout,
		Heartbeat: c.Heartbeat, HeartbeatTimeout: c.HeartbeatTimeout, HeartbeatGrace: c.HeartbeatGrace,
		IdleTimeout: c.IdleTimeout, FrameTimeout: c.FrameTimeout,
	}
}
