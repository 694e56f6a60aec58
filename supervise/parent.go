// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/status"
)

// DefaultGrace is ConnectOptions.Grace if that is 0.
const DefaultGrace = 10 * time.Second

// ConnectOptions tune Connect. nil and the zero value are useful.
type ConnectOptions struct {
	// Dial tunes the connection with the parent.
	Dial *plexus.DialOptions
	// Args are the arguments in which an address may stand, nil for those of the process.
	Args []string
	// Grace is how long this process may take to end once its parent has died, 0 for
	// DefaultGrace, negative for ever. If it has not called Close by then it is killed,
	// along with its process group.
	Grace time.Duration
}

// Parent is what a child has of the one that started it. It is safe for concurrent use.
type Parent struct {
	client *plexus.Client
	args   []string
	dir    string
	life   halfCloser // nil without one
	grace  time.Duration

	mu     sync.Mutex
	server *plexus.Server

	done  chan struct{} // shut down
	close sync.Once
	over  chan struct{}
	wg    sync.WaitGroup
	err   error
}

// Connect finds what the parent has handed over, in the arguments or in the environment,
// connects, and watches the lifeline. Call it early in main, once: with Stdio nothing that is
// printed afterwards, by whomever, reaches the parent as if it were frames. What was handed
// over is taken out of the environment, so that grandchildren do not find it there.
//
// It is ErrNoParent if nothing was handed over; otherwise the errors are those of
// plexus.Dial.
func Connect(ctx context.Context, o *ConnectOptions) (*Parent, error) {
	if o == nil {
		o = &ConnectOptions{}
	}
	args := o.Args
	if args == nil {
		args = os.Args[1:]
	}
	getenv := os.Getenv //nolint:forbidigo // what a parent says stands there, and this is the one place that looks
	ep, rest, err := find(args, getenv)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "what was handed over is no address: %w", err)
	}
	p := &Parent{args: rest, dir: getenv(DirVar), grace: o.Grace, done: make(chan struct{}), over: make(chan struct{})}
	if p.grace == 0 {
		p.grace = DefaultGrace
	}
	if p.life, err = lifeline(getenv(LifelineVar)); err != nil {
		return nil, coded(status.FailedPrecondition, err, "the lifeline that was handed over is none")
	}
	if ep.IsZero() && p.life == nil {
		return nil, &status.Error{Code: status.FailedPrecondition, Message: ErrNoParent.Error(), Err: ErrNoParent}
	}
	for _, name := range []string{endpoint.EnvVar, LifelineVar, DirVar} {
		os.Unsetenv(name)
	}
	if p.life != nil {
		_ = p.report(wordHere) // if the parent has gone, whoever reads sees it
	}
	if err := p.dial(ctx, ep, o.Dial); err != nil {
		return nil, err
	}
	p.watch()
	return p, nil
}

// find looks for an address where parents put it.
func find(args []string, getenv func(string) string) (ep endpoint.Endpoint, rest []string, err error) {
	ep, rest, err = endpoint.FromArgs(args)
	if err != nil || !ep.IsZero() {
		return ep, rest, err
	}
	if ep, err = endpoint.FromEnv(getenv); err != nil || !ep.IsZero() {
		return ep, args, err
	}
	for _, a := range args {
		if a == "--ipc" || strings.HasPrefix(a, "--ipc=") {
			return endpoint.FromDapperArgs(args)
		}
	}
	return ep, args, nil
}

// lifeline takes the lifeline over, nil if there is none.
func lifeline(number string) (halfCloser, error) {
	if number == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < firstExtra {
		return nil, errors.New(LifelineVar + " is no number of an inherited descriptor: " + strconv.Quote(number))
	}
	return plug(os.NewFile(uintptr(n), "lifeline"))
}

// dial connects to the parent, if there is an address.
func (p *Parent) dial(ctx context.Context, ep endpoint.Endpoint, o *plexus.DialOptions) error {
	if ep.IsZero() {
		return nil
	}
	var err error
	if p.client, err = plexus.Dial(ctx, ep.String(), o); err != nil {
		if p.life != nil {
			p.life.Close()
		}
		return err
	}
	if p.life != nil {
		_ = p.report(wordLinked) // as above
	}
	return nil
}

// watch waits for the end of the lifeline, or, without one, of the connection.
func (p *Parent) watch() {
	if p.life == nil {
		p.wg.Go(func() {
			select {
			case <-p.client.Done():
				close(p.done)
			case <-p.over:
			}
		})
		return
	}
	p.wg.Go(func() {
		in := bufio.NewReaderSize(p.life, 64)
		for {
			if _, err := in.ReadByte(); err != nil {
				break
			}
		}
		close(p.done)
		p.expire()
	})
}

// expire ends this process if its parent has died and it does not end by itself. A parent
// that lives keeps the time itself.
func (p *Parent) expire() {
	if p.grace < 0 {
		return
	}
	tick := time.NewTicker(p.grace)
	defer tick.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-tick.C:
			if p.report(wordHere) != nil {
				killOwnGroup()
			}
		}
	}
}

// report writes a line to the parent.
func (p *Parent) report(words ...string) error {
	line := strings.Join(words, " ")
	if len(line) >= maxReport || strings.ContainsAny(line, "\r\n") {
		return status.Errorf(status.InvalidArgument, "%d bytes are no line for a lifeline", len(line))
	}
	if _, err := io.WriteString(p.life, line+"\n"); err != nil {
		return coded(status.PeerGone, err, "the parent cannot be told")
	}
	return nil
}

// Client is the connection with the parent, or with whom it has named. It is nil if the
// parent has handed over no address.
func (p *Parent) Client() *plexus.Client { return p.client }

// Args are the arguments of the process without what the parent has added.
func (p *Parent) Args() []string { return p.args }

// Dir is a directory for this process alone, "" for none. It is removed after its end.
func (p *Parent) Dir() string { return p.dir }

// Listen makes a server at a socket in the own directory, and tells the parent where it is,
// which also says that this process is ready: offer first what shall be there. The server
// ends with the Parent.
func (p *Parent) Listen(o *plexus.ListenOptions, offer func(*plexus.Server) error) (*plexus.Server, error) {
	if p.dir == "" || p.life == nil {
		return nil, status.Errorf(status.FailedPrecondition, "the parent has handed over no directory and no lifeline")
	}
	ep, err := socketIn("unix", p.dir, "child")
	if err != nil {
		return nil, err
	}
	s, err := plexus.NewServer(o)
	if err != nil {
		return nil, err
	}
	if offer != nil {
		err = offer(s)
	}
	if err == nil {
		err = s.Bind(context.Background(), ep.String())
	}
	if err == nil {
		err = p.report(wordReady, s.Endpoints()[0])
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		s.Close()
		return nil, status.Errorf(status.AlreadyExists, "this process listens already")
	}
	p.server = s
	return s, nil
}

// Ready tells the parent that this process can be used now. Without a lifeline it does
// nothing: the parent does not wait for it then.
func (p *Parent) Ready() error {
	if p.life == nil {
		return nil
	}
	return p.report(wordReady)
}

// Done is closed when this process shall end: the parent wants it, or has gone.
func (p *Parent) Done() <-chan struct{} { return p.done }

// Context returns a context that ends when this process shall end, or ctx does.
func (p *Parent) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	p.wg.Go(func() {
		select {
		case <-p.done:
			cancel()
		case <-p.over:
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// Close ends the connection, the server and the watch over the lifeline. The process should
// end soon.
func (p *Parent) Close() error {
	p.close.Do(func() {
		close(p.over)
		if p.client != nil {
			p.err = p.client.Close()
		}
		p.mu.Lock()
		s := p.server
		p.mu.Unlock()
		if s != nil {
			p.err = errors.Join(p.err, s.Close())
		}
		if p.life != nil {
			p.life.Close()
		}
		p.wg.Wait()
		if errors.Is(p.err, net.ErrClosed) {
			p.err = nil
		}
	})
	return p.err
}
