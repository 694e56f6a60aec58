// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec/cbor"
	"github.com/plexus-ipc/plexus/codec/msgpack"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/deadletter/bolt"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/jsonschema/validate"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// Daemon is a hub with listeners, see the package comment. It is safe for concurrent use.
type Daemon struct {
	cfg       Config
	secret    bool
	known     atomic.Pointer[[]byte] // the present secret
	passwords map[string]string      // of channels
	log       *slog.Logger
	opts      transport.Options // of listeners
	hub       *hub.Hub
	srv       *plexus.Server
	letters   *bolt.Store // nil if none are kept
	reloads   reloads

	ready chan struct{}   // closed when all addresses are bound
	stop  chan struct{}   // closed by Stop
	life  context.Context // ends by Abort
	abort context.CancelFunc

	mu      sync.Mutex
	run     bool
	stopped bool
	drain   time.Duration // what Stop asked for
	report  Report
}

// Report tells how a Daemon ended.
type Report struct {
	Reason   string // why it ended
	Sessions int    // that were open then
	Cut      int    // calls that were under way and did not end in time
	// Drain says the same, and what was not delivered to whom.
	Drain   operation.DrainReport
	Took    time.Duration // from the reason to the end
	Aborted bool          // the end was cut short
}

// New checks the configuration, reads the files that it names and returns a Daemon that
// listens nowhere yet.
func New(cfg Config) (*Daemon, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	d := &Daemon{
		cfg: cfg, log: cfg.Log, drain: cfg.DrainTimeout,
		ready: make(chan struct{}), stop: make(chan struct{}),
	}
	d.life, d.abort = context.WithCancel(context.Background())
	if err := d.build(); err != nil {
		d.closeLetters()
		return nil, err
	}
	return d, nil
}

// build makes the hub and the server.
func (d *Daemon) build() (err error) {
	conf, err := d.cfg.TLS.Server()
	if err != nil {
		return err
	}
	more, err := d.drivers()
	if err != nil {
		return err
	}
	h := d.cfg.Hub
	h.Log, h.Endpoints = d.log, d.Endpoints
	if h.Passwords, err = d.cfg.ChannelPasswords(d.log); err != nil {
		return err
	}
	d.passwords = h.Passwords
	if h.Access, err = d.accessFile(); err != nil {
		return err
	}
	h.OnReload = d.Reload
	if h.Bridges == nil {
		h.Bridges = BridgeRule(d.cfg.bridgeNames())
	}
	h.OnStop = func(drain time.Duration) { d.Stop(drain) }
	if h.Schemas == (schema.Rules{}) {
		h.Schemas = schema.Rules{Policy: schema.Policy(d.cfg.Validate), Validator: validate.New(cbor.New(nil), msgpack.New(nil))}
	}
	if err := h.Schemas.Valid(); err != nil {
		return err
	}
	if d.cfg.DeadLetters.Path != "" || len(d.cfg.DeadLetters.Rules) > 0 {
		if h.DeadLetters, err = d.openLetters(); err != nil {
			return err
		}
	}
	d.hub = hub.New(h)
	d.log = d.hub.Logger(d.log)
	secret, tokens, err := d.buildProofs()
	if err != nil {
		_ = d.hub.Close() // nobody has come yet
		return err
	}
	d.opts = transport.Options{Mode: d.cfg.Mode, Group: d.cfg.Group, SendBuffer: d.cfg.SocketBuffer, RecvBuffer: d.cfg.SocketBuffer, TLS: conf}
	d.srv, err = plexus.NewServer(&plexus.ListenOptions{
		ID: d.hub.ID(), Hub: d.hub, SharedSecret: secret, Tokens: tokens, Allow: d.cfg.Allow, TLS: conf, Transports: d.cfg.Transports, More: more,
		MaxSessions: d.cfg.MaxSessions, MaxHandshakes: d.cfg.MaxHandshakes, MaxSessionRate: d.cfg.MaxSessionRate, Session: d.cfg.session(), Log: d.log,
		Transport: d.opts,
	})
	return err
}

// Hub returns the hub.
func (d *Daemon) Hub() *hub.Hub { return d.hub }

// Server returns the server, for plexus.Join.
func (d *Daemon) Server() *plexus.Server { return d.srv }

// Ready is closed when all addresses are bound. It stays open if Run fails before.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Endpoints lists the addresses as they really are: a port 0 is resolved.
func (d *Daemon) Endpoints() []string { return d.srv.Endpoints() }

// Run serves until ctx ends or the daemon is stopped, then drains, and returns when
// everything has ended. It runs once. The error says why it could not start; that calls
// were cut at the end is no error but stands in Report.
func (d *Daemon) Run(ctx context.Context) error {
	d.mu.Lock()
	again := d.run
	d.run = true
	d.mu.Unlock()
	if again {
		return status.Errorf(status.FailedPrecondition, "the daemon has been run already: make a new one")
	}
	defer d.closeLetters() // after the hub
	defer d.cfg.Notify.Close()
	if err := d.bind(ctx); err != nil {
		return errors.Join(err, d.hub.Close(), d.srv.Close())
	}
	linked, unlink := context.WithCancel(d.life)
	defer unlink()
	wait, err := d.bridges(linked)
	if err != nil {
		return errors.Join(err, d.hub.Close(), d.srv.Close())
	}
	d.log.Info("hub is ready", "hub", d.hub.ID(), "endpoints", d.Endpoints())
	close(d.ready)
	d.notify("READY=1", d.state())
	var watch sync.WaitGroup
	watch.Go(func() { d.watch(linked) })
	reason, drain := d.wait(ctx)
	d.notify("STOPPING=1", "STATUS=ending: "+reason, "EXTEND_TIMEOUT_USEC="+strconv.FormatInt((drain+5*time.Second).Microseconds(), 10))
	unlink()
	watch.Wait()
	wait()
	d.end(reason, drain)
	return nil
}

// bind binds the addresses and says what is risky about them.
func (d *Daemon) bind(ctx context.Context) error {
	if err := d.inherit(ctx); err != nil {
		return err
	}
	for _, address := range d.cfg.Listen {
		if err := d.srv.Bind(ctx, address); err != nil {
			return err
		}
	}
	var bound []endpoint.Endpoint
	for _, text := range d.Endpoints() {
		if ep, err := endpoint.Parse(text); err == nil {
			bound = append(bound, ep)
		}
	}
	for _, w := range d.cfg.warnings(bound, d.secret) {
		d.log.Warn(w)
	}
	return nil
}

// wait returns why and how to end.
func (d *Daemon) wait(ctx context.Context) (reason string, drain time.Duration) {
	select {
	case <-ctx.Done():
		return context.Cause(ctx).Error(), d.cfg.DrainTimeout
	case <-d.life.Done():
		return "aborted", 0
	case <-d.stop:
		d.mu.Lock()
		defer d.mu.Unlock()
		return "stopped", d.drain
	}
}

// end drains and closes.
func (d *Daemon) end(reason string, drain time.Duration) {
	began := time.Now()
	sessions := d.hub.Status().Sessions
	d.log.Info("hub is ending", "reason", reason, "sessions", sessions, "drain", drain)
	ctx, cancel := context.WithTimeout(d.life, drain)
	defer cancel()
	cut, _ := d.hub.Drain(ctx)
	if err := d.srv.Close(); err != nil {
		d.log.Warn("a listener did not close well", "error", err.Error())
	}
	d.mu.Lock()
	d.report = Report{Reason: reason, Sessions: sessions, Cut: cut, Drain: d.hub.DrainReport(), Took: time.Since(began), Aborted: d.life.Err() != nil}
	d.mu.Unlock()
	level := slog.LevelInfo
	lost := d.report.Drain.Undelivered
	if cut > 0 || lost > 0 {
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, "hub has ended", "reason", reason, "calls_cut", cut, "undelivered", lost, "took", time.Since(began))
}

// Stop has Run end, as the end of its context does; drain is how long what is under way
// may take, 0 for the DrainTimeout. Later calls do nothing.
func (d *Daemon) Stop(drain time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.stopped = true
	if drain > 0 {
		d.drain = drain
	}
	close(d.stop)
}

// Abort has Run end at once, whatever is under way.
func (d *Daemon) Abort() { d.abort() }

// Report tells how Run ended; the zero Report before that.
func (d *Daemon) Report() Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.report
}
