// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// firstExtra is the number in the child of the first descriptor besides the standard ones.
const firstExtra = 3

// gift is what a child is given: what of it is the child's is closed once it runs.
type gift struct {
	args  []string
	env   []string
	files []*os.File  // the child's, from firstExtra on
	stdin *os.File    // the child's, nil for nothing to read
	out   [2]*os.File // the child's standard output and error

	prints   []*printed         // our ends of what it prints to
	conn     net.Conn           // FD: our end
	pipe     *pipe              // Stdio: our ends
	listener transport.Listener // Env, Args, Dapper: where the child shall come
	life     halfCloser         // our end of the lifeline, nil where there is none
}

// prepare makes what the child is given. After an error nothing is left but the gift's own,
// which discard closes.
func (c *Child) prepare(ctx context.Context, g *gift) error {
	g.env = append(g.env, DirVar+"="+c.dir.path)
	if err := c.handOver(ctx, g); err != nil {
		return err
	}
	if err := g.tieLifeline(); err != nil {
		return err
	}
	return c.capture(g)
}

// capture makes the pipes that the child prints to.
func (c *Child) capture(g *gift) error {
	for i := range g.out {
		if g.out[i] != nil { // it carries frames
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		g.out[i] = w
		g.prints = append(g.prints, &printed{r: r, lines: c.out.stream(i == 1)})
	}
	return nil
}

// handOver makes the connection, or what leads to it.
func (c *Child) handOver(ctx context.Context, g *gift) error {
	switch {
	case c.cfg.Handover == None:
		return nil
	case c.cfg.Handover == Stdio:
		g.env = append(g.env, endpoint.EnvVar+"=stdio:")
		return g.pipes()
	case c.cfg.Handover == FD && c.cfg.Address == "":
		return g.pair()
	case c.cfg.Handover == FD:
		return g.dial(ctx, c.cfg.Address)
	case c.cfg.Address != "":
		ep, err := endpoint.Parse(c.cfg.Address)
		if err != nil {
			return err
		}
		return g.tell(c.cfg.Handover, ep)
	}
	l, err := listenIn(ctx, c.dir.path)
	if err != nil {
		return err
	}
	g.listener = l
	return g.tell(c.cfg.Handover, l.Endpoint())
}

// listenIn listens in the child's directory.
func listenIn(ctx context.Context, dir string) (transport.Listener, error) {
	scheme := "unix"
	if runtime.GOOS == "linux" {
		scheme = "shm" // who comes without sharing memory is served as well
	}
	ep, err := socketIn(scheme, dir, "parent")
	if err != nil {
		return nil, err
	}
	return transport.NewSet(socket.Unix(), shm.New(socket.Unix(), nil)).Listen(ctx, ep, nil)
}

// socketIn returns the address of a socket in a directory.
func socketIn(scheme, dir, name string) (endpoint.Endpoint, error) {
	ep, _, err := endpoint.ParseForeign(filepath.Join(dir, name))
	if err != nil {
		return ep, err
	}
	return ep.WithScheme(scheme)
}

// tell puts an address where the child looks for it.
func (g *gift) tell(h Handover, ep endpoint.Endpoint) error {
	switch h {
	case Args:
		g.args = endpoint.Args(ep)
	case Dapper:
		plain := ep
		if ep.Scheme() == "shm" { // the same socket, by a name that Dapper knows
			var err error
			if plain, err = ep.WithScheme("unix"); err != nil {
				return err
			}
		}
		args, err := endpoint.DapperArgs(plain)
		if err != nil {
			return err
		}
		g.args = args
	default:
		g.env = append(g.env, endpoint.EnvVar+"="+ep.String(), addressVar+"="+ep.String())
	}
	return nil
}

// pair makes two connected sockets, one for each.
func (g *gift) pair() error {
	ours, theirs, err := socketPair("fd")
	if err != nil {
		return err
	}
	g.give(theirs, endpoint.EnvVar, "fd://")
	g.conn, err = plug(ours)
	return err
}

// dial connects to somebody else and gives the connection to the child.
func (g *gift) dial(ctx context.Context, address string) error {
	ep, err := endpoint.Parse(address)
	if err != nil {
		return err
	}
	if ep.Scheme() == "shm" {
		if ep, err = ep.WithScheme("unix"); err != nil {
			return err
		}
	}
	nc, err := socket.New().DialStream(ctx, ep, nil)
	if err != nil {
		return err
	}
	defer nc.Close()
	f, ok := nc.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("a connection with %s is no plain socket that a child can inherit: hand its address over by env or args", ep.Scheme())
	}
	theirs, err := f.File()
	if err != nil {
		return err
	}
	g.give(theirs, endpoint.EnvVar, "fd://")
	return nil
}

// give lets the child inherit a file and tells it the number.
func (g *gift) give(f *os.File, variable, before string) {
	g.env = append(g.env, fmt.Sprintf("%s=%s%d", variable, before, firstExtra+len(g.files)))
	g.files = append(g.files, f)
}

// pipes makes the child's standard input, and our ends of both directions.
func (g *gift) pipes() error {
	var err error
	p := &pipe{}
	g.pipe = p
	if g.stdin, p.w, err = os.Pipe(); err != nil {
		return err
	}
	p.r, g.out[0], err = os.Pipe()
	return err
}

// tieLifeline makes the lifeline, where the child can inherit one.
func (g *gift) tieLifeline() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	ours, theirs, err := socketPair("lifeline")
	if err != nil {
		return err
	}
	g.give(theirs, LifelineVar, "")
	g.life, err = plug(ours)
	return err
}

// given closes what is the child's: it has it, or will never have it.
func (g *gift) given() {
	for _, f := range append(g.files, g.stdin, g.out[0], g.out[1]) {
		if f != nil {
			f.Close()
		}
	}
}

// discard closes what is ours and was not handed on.
func (g *gift) discard() {
	if g.conn != nil {
		g.conn.Close()
	}
	if g.pipe != nil {
		_ = g.pipe.Close() // twice, mostly
	}
	if g.listener != nil {
		g.listener.Close()
	}
	if g.life != nil {
		g.life.Close()
	}
}

// environment is what the child inherits, without what was meant for this process itself.
func environment(inherited, own []string) []string {
	env := make([]string, 0, len(inherited)+len(own))
	for _, entry := range inherited {
		name, _, _ := strings.Cut(entry, "=")
		if name != endpoint.EnvVar && name != LifelineVar && name != DirVar {
			env = append(env, entry)
		}
	}
	return append(env, own...)
}
