// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// Child is a process that was started, from its start to its end. It is safe for
// concurrent use.
type Child struct {
	// immutable
	cfg  *Config
	srv  *plexus.Server
	own  bool // srv ends with the child
	dir  *privateDir
	out  *output
	proc *process
	gift *gift

	listens   atomic.Bool // it watches its lifeline
	linked    atomic.Bool // it has connected, says the child
	said      sync.Once
	saidReady chan struct{}
	met       sync.Once
	connected chan struct{}
	wg        sync.WaitGroup // of what serves it
	prints    sync.WaitGroup // of what reads what it prints
	done      chan struct{}
	err       error // how it ended; valid after done

	mu       sync.Mutex
	peer     *server.Peer
	endpoint string
	stopping bool
}

// Start starts a child and returns when it is ready; if it does not become ready it is
// ended. ctx bounds the starting, not the child's life. Whoever has the Child ends it in
// time, by Stop; when it ends by itself, what belongs to it is cleaned up by itself, too.
//
// The error's code is InvalidArgument for a Config that cannot be, FailedPrecondition if the
// program cannot be run, Unavailable if it ended before it was ready (then there is an
// *ExitError inside), and DeadlineExceeded.
func Start(ctx context.Context, cfg *Config) (*Child, error) {
	c, err := cfg.settled()
	if err != nil {
		return nil, err
	}
	if n := sweep(c.TempDir); n > 0 {
		c.Log.Info("removed directories of children whose parents were killed", "directories", n)
	}
	return begin(ctx, c)
}

// begin is Start with a settled Config and without sweeping.
func begin(ctx context.Context, cfg *Config) (*Child, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	c := &Child{
		cfg: cfg, out: &output{cfg: cfg}, gift: &gift{},
		saidReady: make(chan struct{}), connected: make(chan struct{}), done: make(chan struct{}),
	}
	if cfg.serves() {
		c.srv = cfg.Server
	}
	if err := c.launch(ctx); err != nil {
		return nil, err
	}
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	cfg.Log.Info("child is ready", "child", cfg.Name, "pid", c.PID())
	return c, nil
}

// launch makes what the child is given and starts it.
func (c *Child) launch(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			for _, p := range c.gift.prints {
				p.r.Close()
			}
			c.clean()
		}
	}()
	if c.dir, err = makeDir(c.cfg.TempDir); err != nil {
		return coded(status.FailedPrecondition, err, "%s gets no directory of its own", c.cfg.Name)
	}
	if c.srv == nil && c.cfg.serves() {
		if c.srv, err = plexus.NewServer(&plexus.ListenOptions{Log: c.cfg.Log}); err != nil {
			return err
		}
		c.own = true
	}
	err = c.prepare(ctx, c.gift)
	defer c.gift.given()
	if err != nil {
		return coded(unprepared(err), err, "%s cannot be handed over how to connect", c.cfg.Name)
	}
	if c.proc, err = start(c.command(), c.keeper(), c.cfg.Linger); err != nil {
		return coded(status.FailedPrecondition, err, "%s cannot be started", c.cfg.Name)
	}
	c.cfg.Log.Debug("child was started", "child", c.cfg.Name, "pid", c.PID(), "handover", string(c.cfg.Handover))
	c.serve()
	go c.watch()
	return nil
}

// unprepared returns the code of a hand-over that failed.
func unprepared(err error) status.Code {
	switch {
	case errors.As(err, new(*endpoint.ParseError)):
		return status.InvalidArgument
	case errors.Is(err, transport.ErrNobody):
		return status.Unavailable
	}
	return status.FailedPrecondition
}

// command makes the command line with all that the child is given.
func (c *Child) command() *exec.Cmd {
	argv := append(append([]string(nil), c.cfg.Argv...), c.gift.args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = c.cfg.Dir, c.cfg.Env
	cmd.Env = environment(cmd.Environ(), c.gift.env)
	cmd.ExtraFiles = c.gift.files
	if c.gift.stdin != nil {
		cmd.Stdin = c.gift.stdin
	}
	cmd.Stdout, cmd.Stderr = c.gift.out[0], c.gift.out[1]
	return cmd
}

// keeper makes the keeper's command line, nil for none.
func (c *Child) keeper() []string {
	if len(c.cfg.Keeper) == 0 {
		return nil
	}
	linger := time.Duration(0)
	if c.cfg.Linger {
		linger = c.cfg.StopTimeout
	}
	return append(append([]string(nil), c.cfg.Keeper...), c.dir.path, linger.String())
}

// awaitReady waits for the moment that the Config names; a child that does not come to
// that is ended.
func (c *Child) awaitReady(ctx context.Context) error {
	var until []<-chan struct{}
	switch c.cfg.Ready {
	case Connected:
		until = append(until, c.connected)
	case Said:
		until = append(until, c.saidReady, c.connected)
	}
	for i, moment := range until {
		if i > 0 && (!c.linked.Load() || c.srv == nil) {
			break // it says that it is ready, not that it has connected
		}
		select {
		case <-moment:
			continue
		case <-c.done:
			if !isClosed(moment) {
				return c.early()
			}
		case <-ctx.Done():
			return c.slow(ctx.Err())
		}
	}
	return nil
}

// slow ends a child that is not ready yet.
func (c *Child) slow(err error) error {
	_ = c.Stop(context.Background()) // that it was not ready is what counts
	if errors.Is(err, context.DeadlineExceeded) {
		return coded(status.DeadlineExceeded, err, "%s (pid %d) %s in time", c.cfg.Name, c.PID(), c.missing())
	}
	return coded(status.Cancelled, err, "the start of %s was given up", c.cfg.Name)
}

// missing says what a child that is not ready has not done.
func (c *Child) missing() string {
	switch {
	case c.cfg.Ready == Connected:
		return "did not connect"
	case c.Peer() != nil:
		return "has connected, but did not say on its lifeline that it is ready"
	}
	return "did not say on its lifeline that it is ready"
}

// early is the error of a child that ended before it was ready.
func (c *Child) early() error {
	if c.err == nil {
		return status.Errorf(status.Unavailable, "%s (pid %d) ended before it was ready, with exit code 0", c.cfg.Name, c.PID())
	}
	return coded(status.Unavailable, c.err, "the child ended before it was ready")
}

// watch waits for the child's end and clears up.
func (c *Child) watch() {
	<-c.proc.exited
	c.last()
	c.gift.discard()
	<-c.proc.ended
	c.wg.Wait()
	c.prints.Wait()
	c.err = c.how()
	c.clean()
	c.mu.Lock()
	stopping := c.stopping
	c.mu.Unlock()
	switch {
	case stopping || c.err == nil:
		c.cfg.Log.Info("child has ended", "child", c.cfg.Name, "pid", c.PID())
	default:
		c.cfg.Log.Info("child has failed", "child", c.cfg.Name, "pid", c.PID(), "err", c.err)
	}
	close(c.done)
}

// last lets what the child has sent before its end be read. That it is all is known when
// its connections end, unless somebody out of reach has inherited them.
func (c *Child) last() {
	for _, p := range c.gift.prints {
		p.wake()
	}
	if c.gift.listener != nil {
		c.gift.listener.Close()
	}
	all := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(all)
	}()
	timer := time.NewTimer(holdUp)
	defer timer.Stop()
	if c.gift.life != nil {
		_ = c.gift.life.SetReadDeadline(time.Now().Add(holdUp))
	}
	select {
	case <-all:
	case <-timer.C:
		return
	}
	if p := c.Peer(); p != nil {
		select {
		case <-p.Conversation().Done():
		case <-timer.C:
		}
	}
}

// clean ends and removes what was made for the child.
func (c *Child) clean() {
	c.gift.discard()
	if c.own {
		c.srv.Close()
	}
	if c.dir == nil {
		return
	}
	if err := c.dir.remove(); err != nil {
		c.cfg.Log.Warn("the directory of a child stays behind", "child", c.cfg.Name, "err", err)
	}
}

// how returns how the process ended, nil for well.
func (c *Child) how() error {
	if c.proc.err == nil {
		return nil
	}
	state := c.proc.cmd.ProcessState
	if state == nil {
		return fmt.Errorf("%s (pid %d) was lost sight of: %w", c.cfg.Name, c.PID(), c.proc.err)
	}
	e := &ExitError{Name: c.cfg.Name, PID: c.PID(), Code: state.ExitCode(), Said: c.out.last()}
	e.Number, e.Signal = signalOf(state.Sys())
	return e
}

// Stop ends the child: it is asked, told by SIGTERM, and killed when Config.StopTimeout is
// over or ctx ends. It returns when the child has ended: nil if it did so in time, whatever
// its exit code, also if it had ended before.
func (c *Child) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	timer := time.NewTimer(c.cfg.StopTimeout)
	defer timer.Stop()
	if c.ask() && c.within(ctx, c.cfg.StopTimeout/2) {
		return nil
	}
	if err := c.proc.terminate(); err != nil {
		c.cfg.Log.Debug("child cannot be signalled", "child", c.cfg.Name, "err", err)
	}
	var late error
	select {
	case <-c.proc.exited:
	case <-timer.C:
		late = status.Errorf(status.DeadlineExceeded, "%s (pid %d) did not end within %v and was killed", c.cfg.Name, c.PID(), c.cfg.StopTimeout)
	case <-ctx.Done():
		late = coded(status.Convert(ctx.Err()).Code, ctx.Err(), "%s (pid %d) was killed", c.cfg.Name, c.PID())
	}
	c.proc.kill()
	<-c.done
	return late
}

// ask tells a child that listens to shut down. It reports whether it does.
func (c *Child) ask() bool {
	if c.gift.life != nil {
		_ = c.gift.life.CloseWrite() // fails if it has ended
		return c.listens.Load()
	}
	p := c.Peer()
	if p != nil {
		p.Conversation().Close()
	}
	return p != nil
}

// within waits for the child's end, but not longer than d.
func (c *Child) within(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.proc.exited:
		<-c.done
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Kill ends the child and its group at once and returns when it has ended.
func (c *Child) Kill() {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.proc.kill()
	<-c.done
}

// Name is what the child is called.
func (c *Child) Name() string { return c.cfg.Name }

// PID is its process id. It means nothing after its end: use Stop and Kill, not a signal.
func (c *Child) PID() int { return c.proc.cmd.Process.Pid }

// Server is the server that the child is connected with, nil if it is handed an Address, or
// nothing.
func (c *Child) Server() *plexus.Server { return c.srv }

// Peer is the child as somebody to call, to send to, to subscribe at: it and whatever the
// child offers. It is nil before the child has connected, and where it connects to somebody
// else. If the child comes several times (Env, Args, Dapper) it is the first session, or the
// next one when that has ended.
func (c *Child) Peer() *server.Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// Endpoint is where the child itself listens, if it has said so, else "".
func (c *Child) Endpoint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endpoint
}

// Dir is the child's own directory.
func (c *Child) Dir() string { return c.dir.path }

// Ready is closed when the child has said that it is ready, see Parent.Ready.
func (c *Child) Ready() <-chan struct{} { return c.saidReady }

// Done is closed when the child has ended, its last words were read, and nothing of it is
// left.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns how the child ended: nil if well or not yet, else mostly an *ExitError.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// adopt makes a session the child's, unless it has one.
func (c *Child) adopt(p *server.Peer) {
	c.mu.Lock()
	if c.peer == nil || isClosed(c.peer.Conversation().Done()) {
		c.peer = p
	}
	c.mu.Unlock()
	c.met.Do(func() { close(c.connected) })
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
