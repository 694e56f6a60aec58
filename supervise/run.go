// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/plexus-ipc/plexus/internal/backoff"
	"github.com/plexus-ipc/plexus/status"
)

// When says after which ends a child is started again.
type When string

// The choices.
const (
	OnFailure When = "on-failure" // after an exit code other than 0, a signal, a failed start
	Always    When = "always"     // after every end
	Never     When = "never"
)

// Defaults of Restart.
const (
	DefaultMaxRestarts = 5
	DefaultWithin      = time.Minute
	DefaultFirst       = 100 * time.Millisecond
	DefaultLongest     = 10 * time.Second
)

// Restart says when and how often a child is started again. The zero value is useful.
type Restart struct {
	// When is OnFailure if it is "".
	When When
	// Max is how often it is started again Within a time before it is given up: 0 for
	// DefaultMaxRestarts and DefaultWithin, a negative Max for ever.
	Max    int
	Within time.Duration
	// First bounds the random wait before the first restart; it doubles with every further
	// one up to Longest, until a child has lived for Within. 0 for DefaultFirst and
	// DefaultLongest.
	First, Longest time.Duration

	// OnReady is called with each child that is ready, OnEnd with each end or failed start
	// and with the wait before the next start, -1 if none follows. Both are called by the
	// goroutine of Run, which waits for them.
	OnReady func(c *Child)
	OnEnd   func(err error, wait time.Duration)
}

func (r *Restart) settled() (Restart, error) {
	var d Restart
	if r != nil {
		d = *r
	}
	switch d.When {
	case "":
		d.When = OnFailure
	case OnFailure, Always, Never:
	default:
		return d, status.Errorf(status.InvalidArgument, "restart %q is unknown: it is on-failure, always or never", d.When)
	}
	if d.Max == 0 {
		d.Max = DefaultMaxRestarts
	}
	orDuration(&d.Within, DefaultWithin)
	orDuration(&d.First, DefaultFirst)
	orDuration(&d.Longest, DefaultLongest)
	d.First = min(d.First, d.Longest)
	return d, nil
}

// Run keeps a child running until ctx ends, then stops it. It returns nil when the child
// was stopped or ended well and need not be started again; DeadlineExceeded if it had to be
// killed; how it ended, an *ExitError, if Restart says Never; a *LimitError when it failed too often; and what Start returns
// if the program cannot be run at all.
func Run(ctx context.Context, cfg *Config, restart *Restart) error {
	c, err := cfg.settled()
	if err != nil {
		return err
	}
	r, err := restart.settled()
	if err != nil {
		return err
	}
	if n := sweep(c.TempDir); n > 0 {
		c.Log.Info("removed directories of children whose parents were killed", "directories", n)
	}
	return (&loop{cfg: c, Restart: r}).run(ctx)
}

// loop is the life of Run.
type loop struct {
	Restart
	cfg    *Config
	recent []time.Time // of the restarts
}

func (l *loop) run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		began := time.Now()
		err := l.once(ctx)
		if ctx.Err() != nil {
			l.tell(err, -1)
			return killed(err)
		}
		if time.Since(began) >= l.Within {
			failures = 0
		}
		if over, err := l.over(err); over {
			l.tell(err, -1)
			return err
		}
		wait := backoff.Policy{Base: l.First, Max: l.Longest, Floor: l.First / 2}.Delay(failures)
		l.tell(err, wait)
		l.cfg.Log.Info("child is started again", "child", l.cfg.Name, "after", wait, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// killed returns what is worth telling of a child that was stopped.
func killed(err error) error {
	if errors.Is(err, status.DeadlineExceeded) {
		return err
	}
	return nil
}

// once starts a child and returns how it ended.
func (l *loop) once(ctx context.Context) error {
	c, err := begin(ctx, l.cfg)
	if err != nil {
		return err
	}
	if l.OnReady != nil {
		l.OnReady(c)
	}
	select {
	case <-c.Done():
		return c.Err()
	case <-ctx.Done():
		return c.Stop(context.Background())
	}
}

// over decides whether an end is the last, and what Run returns then.
func (l *loop) over(err error) (bool, error) {
	switch {
	case l.When == Never, err == nil && l.When == OnFailure, hopeless(err):
		return true, err
	case l.Max < 0:
		return false, nil
	}
	now := time.Now()
	for len(l.recent) > 0 && now.Sub(l.recent[0]) > l.Within {
		l.recent = l.recent[1:]
	}
	if len(l.recent) >= l.Max {
		if err == nil {
			err = fmt.Errorf("%s ended with exit code 0 each time", l.cfg.Name)
		}
		return true, &LimitError{Restarts: len(l.recent), Within: l.Within, Err: err}
	}
	l.recent = append(l.recent, now)
	return false, nil
}

// hopeless tells a program that cannot be run from one that failed.
func hopeless(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, status.InvalidArgument)
}

func (l *loop) tell(err error, wait time.Duration) {
	if l.OnEnd != nil {
		l.OnEnd(err, wait)
	}
}
