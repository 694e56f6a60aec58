// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/session"
)

const serveHelp = `Run a hub, until it is interrupted or stopped.

  plexus serve                                          # at the name "plexus", for you alone
  plexus serve --listen demo --listen tcp://127.0.0.1:4000 --secret-file s
  plexus serve --listen 'unix:///run/app.sock?mode=0660&group=dev' --allow-gid 1001
  plexus serve --listen tls://:4433 --tls-cert c.pem --tls-key k.pem --secret-file s
  plexus serve --listen noise+tcp://:4100 --noise-shared-file key
  plexus serve --listen ws://127.0.0.1:4200/plexus --ws-origin https://app.example --secret-file s

Who may connect. At a unix address the kernel says which user a client is: you and root
may, unless --allow-uid, --allow-gid, --allow-self or --allow-root say who instead. A tcp
address knows no users: give a secret, which each side proves to the other without
sending it, and across machines use tls. Without them a warning says who could come.
With --token-issuer who has a token may connect, too, and do what it says: see "plexus
token". SIGHUP has the files of secrets, issuers and revoked tokens read again; those of
TLS are read again when they change.

Channels come into being with their first member, the owner. When the owner leaves, the
channel ends for all (terminate), or the earliest other member owns it (promote).

With --password a channel has a password from the start, which is in a file or in a
variable of the environment. Whoever uses the channel gives it with --password-file or
PLEXUS_PASSWORD; it is never sent, and each side proves to the other that it knows it.

With --access only those may do anything whom the list in that file names; "plexus access"
checks one and explains what it decides. On SIGHUP it is read anew and in force at once for
who is connected; one that is wrong is told by a line of the log, and the old one stays.

With --validate warn or reject the hub judges every message of a method or topic that
announces a schema; values of up to 1 MiB can be judged. Without it no payload is looked
into, and checking is the providers' business.

Under systemd it serves the sockets that are handed over (instead of --address; besides
--listen), tells when it is ready and when it ends, and feeds the watchdog.

"listening on …" on stdout, a line per address, says that clients can come. SIGTERM and
SIGINT end the hub: calls that are under way have --drain-timeout to end, and what waits
for subscribers to be taken; what was cut or not delivered is told; a second signal ends it at once. A hub that was killed leaves nothing that
the next start has to be helped with.`

// serveFlags are the flags that do not go straight into the daemon's configuration.
type serveFlags struct {
	cfg                  daemon.Config
	mode, ownerPolicy    string
	uids, gids           []int
	users, groups        []string
	passwords            []string
	channelRates         []string
	sids                 []string
	allowSelf, allowRoot bool
	errors               string
}

func (a *app) serve() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Run a hub", Long: serveHelp, Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	flags.add(cmd.Flags())
	cmd.RunE = a.verb(0, func(ctx context.Context, _ []string) error {
		log, err := a.logger(slog.LevelInfo)
		if err != nil {
			return err
		}
		cfg, err := a.daemonConfig(&flags, log)
		if err != nil {
			return err
		}
		d, err := daemon.New(*cfg)
		if err != nil {
			return err
		}
		return a.runDaemon(ctx, d)
	})
	return cmd
}

// add adds all of them, in the order of the help.
func (s *serveFlags) add(f *pflag.FlagSet) {
	s.addListen(f)
	s.addHub(f)
	s.addLimits(f)
	s.addUsers(f)
	s.addDeadLetters(f)
}

func (s *serveFlags) addListen(f *pflag.FlagSet) {
	f.StringArrayVarP(&s.cfg.Listen, "listen", "l", nil, "address to listen at, may be repeated (default: --address)")
	f.IntSliceVar(&s.uids, "allow-uid", nil, "users who may connect at unix addresses, by number")
	f.IntSliceVar(&s.gids, "allow-gid", nil, "groups whose users may connect at unix addresses, by number")
	f.StringSliceVar(&s.users, "allow-user", nil, "users who may connect at unix addresses, by name")
	f.StringSliceVar(&s.groups, "allow-group", nil, "groups whose users may connect at unix addresses, by name; a user's main group counts")
	f.StringSliceVar(&s.sids, "allow-sid", nil, "users who may connect on Windows, by security identifier")
	f.BoolVar(&s.allowSelf, "allow-self", false, "with --allow-uid …: the hub's own user may connect, too")
	f.BoolVar(&s.allowRoot, "allow-root", false, "with --allow-uid …: root may connect, too")
	f.StringVar(&s.cfg.PreviousSecretFile, "previous-secret-file", "", "file with a secret that is still taken while clients get the one of --secret-file")
	f.StringArrayVar(&s.cfg.TokenIssuerFiles, "token-issuer", nil, "file with public keys of those whose tokens are taken, may be repeated; clients need a token then, unless their user may connect")
	f.StringVar(&s.cfg.RevokedFile, "revoked", "", `file that lists tokens which are taken no more, see "plexus token revoke"`)
	f.StringVar(&s.mode, "mode", "", "permission of socket paths, octal (default: 0600)")
	f.StringVar(&s.cfg.Noise.Admit, "noise-admit-file", "", "file with the public keys that noise+tcp addresses take, one a line; it is read anew when it changes")
	f.StringSliceVar(&s.cfg.Noise.Previous, "noise-previous-file", nil, "files with shared keys that noise+tcp addresses still take, at most four")
	f.StringArrayVar(&s.cfg.Web.Origins, "ws-origin", nil, "origin of web pages that may connect at ws and wss addresses, such as https://app.example, may be repeated")
	f.StringArrayVar(&s.cfg.Web.Hosts, "ws-host", nil, "name that ws and wss addresses are also asked for by, with or without a port, may be repeated")
	f.StringVar(&s.cfg.Group, "group", "", "group of socket paths, name or number (the mode is 0660 then, unless --mode is given)")
}

func (s *serveFlags) addHub(f *pflag.FlagSet) {
	h := &s.cfg.Hub
	f.StringVar(&s.ownerPolicy, "owner-policy", string(hub.Terminate), "what becomes of a channel whose owner leaves: terminate or promote")
	f.StringVar(&s.cfg.Validate, "validate", string(schema.Off), "what becomes of messages that do not fit their schema: off (nobody looks), warn or reject")
	f.StringVar(&s.errors, "errors", string(hub.Broadcast), "what becomes of failures that no caller waits for: ignore (they are counted), broadcast (and published) or raise (and who caused it is cut off)")
	f.StringSliceVar(&h.Rights.Administrators, "admin", nil, `who else may remove and write to any client, as in "plexus members": uid:1000, cn:ops, secret`)
	f.StringSliceVar(&h.Rights.Readers, "reader", nil, "who else may read what the hub publishes on the channel $, * for everybody")
	f.StringVar(&s.cfg.AccessFile, "access", "", `file with the access list: who may do what; read anew on SIGHUP and by "plexus reload" (default: everybody may everything)`)
	f.StringArrayVar(&s.passwords, "password", nil, "password of a channel: channel=FILE or channel=env:NAME, may be repeated; nobody else can set it")
	f.StringSliceVar(&s.cfg.AllowBridges, "allow-bridge", nil, `who may be a bridge, by identity: uid:1000, cn:name, secret; "*" for all`)
	f.StringArrayVar(&s.cfg.Bridges, "bridge", nil, "address of a hub to be linked with, may be repeated (that hub needs --allow-bridge)")
	f.StringSliceVar(&s.cfg.BridgeChannels, "bridge-channel", nil, "channels that go over --bridge, names or patterns (default: all)")
	f.BoolVar(&h.AllowStop, "allow-stop", false, `let clients end the hub with "plexus stop"`)
	f.IntVar(&h.DefaultQueue, "queue", hub.DefaultQueue, "messages that may wait for one subscription")
	f.IntVar(&h.DefaultQueueBytes, "queue-bytes", hub.DefaultQueueBytes, "their bytes")
	f.IntVar(&h.MaxQueue, "max-queue", hub.DefaultMaxQueue, "longest queue that a subscription may ask for")
	f.IntVar(&h.MaxRatePerMember, "max-rate", 0, "calls, events and publications a second of one client; 0 for any number")
	f.StringArrayVar(&s.channelRates, "max-rate-channel", nil, "calls, events and publications a second of each channel that matches: PATTERN=N, may be repeated, the first that matches counts")
	f.DurationVar(&h.KickedFor, "kicked-for", hub.DefaultKickedFor, "how long a session that was removed from a channel may not come back to it; less than 0 for not at all")
	f.DurationVar(&h.MaxBlock, "max-block", hub.DefaultMaxBlock, "how long a subscription with the policy block may hold up a publisher each time")
	f.IntVar(&h.MaxKeptBytesPerTopic, "keep-topic-bytes", hub.DefaultMaxTopic, "bytes that a topic may keep for those who subscribe later")
	f.IntVar(&h.MaxKeptBytes, "keep-bytes", hub.DefaultMaxKept, "bytes that all topics may keep")
	f.IntVar(&h.MaxAwaited, "max-awaited", hub.DefaultMaxAwaited, "receivers of acknowledged publications to wait for at a time")
	f.IntVar(&h.MaxChannels, "max-channels", hub.DefaultMaxChannels, "channels at a time")
	f.IntVar(&h.MaxMembersPerChannel, "max-members", hub.DefaultMaxMembers, "members of a channel")
	f.IntVar(&h.MaxNamesPerChannel, "max-names", hub.DefaultMaxNames, "methods of a channel, and topics")
	f.IntVar(&h.MaxChannelsPerMember, "max-places", hub.DefaultMaxPlaces, "channels that a member may be in")
	f.IntVar(&h.MaxSubscriptionsPerMember, "max-subscriptions", hub.DefaultMaxFeeds, "subscriptions of a member")
	f.IntVar(&h.MaxMethodsPerMember, "max-methods", hub.DefaultMaxOffers, "methods of a member, in all channels")
	f.IntVar(&h.MaxTopicsPerMember, "max-topics", hub.DefaultMaxOffers, "topics of a member, in all channels")
	f.IntVar(&h.MaxQueuedPerMember, "max-queued", hub.DefaultMaxQueued, "bytes that may wait for a member, in all its queues")
	f.IntVar(&h.MaxQueued, "max-queued-hub", hub.DefaultMaxBacklog, "bytes that may wait for all members: above, the client for whom most wait is cut off")
	f.IntVar(&h.MaxSchemasPerMember, "max-schemas", hub.DefaultMaxSchemas, "bytes of schemas that a member may announce")
	f.IntVar(&h.MaxWaiting, "max-waiting", hub.DefaultMaxWaiting, "calls that may wait for the providers of one method")
	f.IntVar(&h.MaxAttempts, "max-attempts", hub.DefaultMaxAttempts, "providers that a call is sent to, one after the other, when they die and it may be executed twice")
	f.IntVar(&h.MaxMetadata, "max-metadata", hub.DefaultMaxMetadata, "bytes of what a member says about itself")
}

// addUsers adds the bounds of what the sessions of one user have together.
func (s *serveFlags) addUsers(f *pflag.FlagSet) {
	u := &s.cfg.Hub.PerUser
	f.IntVar(&u.Sessions, "user-sessions", 0, "clients of one user, 0 for no bound")
	f.IntVar(&u.Channels, "user-channels", 0, "channels that the clients of one user are in, together, 0 for no bound")
	f.IntVar(&u.Subscriptions, "user-subscriptions", 0, "their subscriptions, 0 for no bound")
	f.IntVar(&u.Methods, "user-methods", 0, "their methods, 0 for no bound")
	f.IntVar(&u.Topics, "user-topics", 0, "their topics, 0 for no bound")
	f.IntVar(&u.Calls, "user-calls", 0, "their open calls, 0 for no bound")
	f.IntVar(&u.Rate, "user-rate", 0, "their calls, events and publications a second, 0 for any number")
	f.IntVar(&u.QueuedBytes, "user-queued", 0, "bytes that may wait for them, 0 for no bound")
}

func (s *serveFlags) addLimits(f *pflag.FlagSet) {
	c := &s.cfg
	f.IntVar(&c.MaxSessions, "max-sessions", daemon.DefaultMaxSessions, "clients that may be connected")
	f.IntVar(&c.MaxSessionRate, "max-session-rate", server.DefaultMaxSessionRate, "clients that may come in a second, and as many at once after a rest: others are told when to come back; less than 0 for any number")
	f.IntVar(&c.MaxHandshakes, "max-handshakes", server.DefaultMaxHandshakes, "clients that may prove who they are at a time")
	f.IntVar(&c.MaxMessage, "max-message", session.DefaultMaxMessage, "longest message, in bytes")
	f.IntVar(&c.MaxCalls, "max-calls", session.DefaultMaxCalls, "calls that a client may have open")
	f.IntVar(&c.MaxRoutes, "max-routes", session.DefaultMaxRoutes, "names that a client may use at a time")
	f.IntVar(&c.StreamWindow, "stream-window", session.DefaultStreamWindow, "bytes that may be under way on a stream")
	f.IntVar(&c.RouteWindow, "route-window", session.DefaultRouteWindow, "bytes that may be under way of one name's events or publications")
	f.DurationVar(&c.Heartbeat, "heartbeat", 0, "silence after which a client is asked for a sign of life (default: 15s on tcp and tls, none elsewhere); less than 0 for none")
	f.DurationVar(&c.HeartbeatTimeout, "heartbeat-timeout", 0, "give it up when none comes for so long after that (default: as long again)")
	f.DurationVar(&c.HeartbeatGrace, "heartbeat-grace", 0, "and for so much longer")
	f.DurationVar(&c.FrameTimeout, "frame-timeout", session.DefaultFrameTimeout, "end a client that begins a frame and does not finish it in this time; less than 0 for never")
	f.DurationVar(&c.IdleTimeout, "idle-timeout", 0, "end a client that neither sends nor receives anything and has no call or subscription for this time; 0 for never")
	f.DurationVar(&c.DataTimeout, "data-timeout", daemon.DefaultDataTimeout, "give up a client that takes nothing after this time")
	f.DurationVar(&c.HandshakeTimeout, "handshake-timeout", session.DefaultHandshakeTimeout, "time for a client to prove who it is")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", daemon.DefaultDrainTimeout, "time for what is under way when the hub ends")
}

// daemonConfig makes the daemon's configuration of the flags and the environment.
func (a *app) daemonConfig(s *serveFlags, log *slog.Logger) (*daemon.Config, error) {
	c := s.cfg
	c.Log, c.TLS, c.Hub.ID, c.Hub.Version = log, a.tls, a.id, programVersion()
	c.Noise.Shared, c.Noise.Private, c.Noise.Server = a.noise.Shared, a.noise.Private, a.noise.Server
	c.SocketBuffer = a.socketBytes
	c.Hub.OwnerPolicy, c.Hub.ErrorPolicy = hub.OwnerPolicy(s.ownerPolicy), hub.ErrorPolicy(s.errors)
	if err := a.underManager(&c); err != nil {
		return nil, err
	}
	if len(c.Listen) == 0 && len(c.Inherited) == 0 {
		c.Listen = []string{a.address}
	}
	if s.mode != "" {
		mode, err := strconv.ParseUint(s.mode, 8, 9)
		if err != nil || mode == 0 {
			return nil, usagef("--mode %q is no octal number from 0001 to 0777", s.mode)
		}
		c.Mode = fs.FileMode(mode)
	}
	if err := s.lookUp(); err != nil {
		return nil, err
	}
	if len(s.uids)+len(s.gids)+len(s.sids) > 0 || s.allowSelf || s.allowRoot {
		c.Allow = &auth.Allow{UIDs: s.uids, GIDs: s.gids, SIDs: s.sids, Same: s.allowSelf, Root: s.allowRoot}
	}
	if err := a.presets(&c, s.passwords); err != nil {
		return nil, err
	}
	if c.SecretFile = a.secretFile; c.SecretFile != "" {
		return &c, nil // the daemon reads it, and reads it again when it is told to
	}
	var err error
	if c.Hub.ChannelRates, err = parseRates(s.channelRates); err != nil {
		return nil, err
	}
	c.Secret, err = a.secret(log)
	return &c, err
}

// readyLine is what "serve --output json" prints when clients can come.
type readyLine struct {
	Ready     bool     `json:"ready"`
	ID        string   `json:"id"`
	PID       int      `json:"pid"`
	Endpoints []string `json:"endpoints"`
}

// endLine is what it prints at the end.
type endLine struct {
	Ended  bool   `json:"ended"`
	Reason string `json:"reason"`
	operation.DrainReport
	Seconds float64 `json:"seconds"`
}

// runDaemon runs d and tells when it is ready and how it ended.
func (a *app) runDaemon(ctx context.Context, d *daemon.Daemon) error {
	over := make(chan error, 1)
	go func() { over <- d.Run(ctx) }()
	select {
	case err := <-over:
		return err
	case <-d.Ready():
	}
	a.announce(d)
	defer reloadOnHangup(ctx, d)()
	var err error
	select {
	case err = <-over:
	case <-a.again:
		d.Abort()
		err = <-over
	}
	if err != nil {
		return err
	}
	r := d.Report()
	if a.output == outputJSON {
		fmt.Fprintln(a.out, mustJSON(endLine{true, r.Reason, r.Drain, r.Took.Seconds()}))
		return nil
	}
	fmt.Fprintf(a.out, "ended (%s): %d sessions, %s, %v\n", r.Reason, r.Sessions, drained(&r.Drain), r.Took.Round(time.Millisecond))
	return nil
}

func (a *app) announce(d *daemon.Daemon) {
	if a.output == outputJSON {
		fmt.Fprintln(a.out, mustJSON(readyLine{true, d.Hub().ID(), os.Getpid(), d.Endpoints()}))
		return
	}
	for _, e := range d.Endpoints() {
		fmt.Fprintf(a.out, "listening on %s\n", e)
	}
}
