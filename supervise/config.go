// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// Handover says how a child learns where its parent is.
type Handover string

// The ways.
const (
	FD     Handover = "fd"     // a connected socket is inherited (not on Windows)
	Stdio  Handover = "stdio"  // the child's standard input and output carry the frames
	Env    Handover = "env"    // the address stands in the environment
	Args   Handover = "args"   // the address is appended to the arguments: --plexus-endpoint=…
	Dapper Handover = "dapper" // the address is appended as Dapper knows it: --ipc unix --ipc-path …
	None   Handover = "none"   // nothing but the lifeline and the directory
)

// Ready says when a child counts as ready.
type Ready string

// The moments.
const (
	Connected Ready = "connect" // it has connected and shaken hands
	Said      Ready = "said"    // it has said so on the lifeline, see Parent.Ready
	Started   Ready = "start"   // it runs
)

// Defaults of Config.
const (
	DefaultStartTimeout = 30 * time.Second
	DefaultStopTimeout  = 10 * time.Second
	DefaultMaxLine      = 16 << 10
)

// Config describes a child. Argv is needed, the rest may be left.
type Config struct {
	// Name is what the child is called in logs and errors, "" for the name of the program.
	Name string
	// Argv is the program, looked for in PATH if it has no slash, and its arguments.
	Argv []string
	// Dir is its working directory, "" for the parent's.
	Dir string
	// Env is its environment, nil for the parent's. What supervise itself says is appended.
	Env []string

	// Handover is FD if it is "", on Windows Stdio.
	Handover Handover
	// Server is whom the child is connected with: several children may share one. nil makes
	// one per child, which ends with it. Child.Server returns it.
	Server *plexus.Server
	// Address, if not "", is what is handed over instead of a connection with Server: of a
	// hub, for example. It must be a real address, no bare name, except with Env and Args.
	Address string
	// Ready is Said if it is "", on Windows Connected; and Started with Address and with None.
	// A child that has connected may not have offered its methods yet.
	Ready Ready

	// StartTimeout bounds the time until the child is ready, 0 for DefaultStartTimeout.
	StartTimeout time.Duration
	// StopTimeout is how long a child may take to end once it was told to, 0 for
	// DefaultStopTimeout; then it is killed.
	StopTimeout time.Duration
	// Linger lets the child outlive a parent that dies without a word: it sees the end of
	// the lifeline and has the time to end well. Without it the system kills it at once
	// where it can (Linux, Windows).
	Linger bool
	// TempDir is where the child's directory is made, "" for the system's. Paths of sockets
	// are short (103 bytes): so must this be.
	TempDir string
	// Keeper is a command line that calls Keep (plexus run-keeper does), started
	// along with the child: it cleans up if the parent is killed. nil is none.
	Keeper []string

	// Output gets each line that the child prints, one at a time; while it does not return,
	// the child waits once its pipe is full. nil writes them to Log.
	Output func(Line)
	// MaxLine is where longer lines are cut into several, in bytes, 0 for DefaultMaxLine.
	MaxLine int
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
}

// Line is a line that a child has printed.
type Line struct {
	// Text is without its line feed, in the child's own encoding.
	Text string
	// Stderr says on which stream.
	Stderr bool
	// More says that the line was too long and goes on in the next.
	More bool
}

// serves reports whether it is this process that the child connects to.
func (c *Config) serves() bool { return c.Address == "" && c.Handover != None }

// settled returns a copy with the defaults filled in, or what is wrong.
func (c *Config) settled() (*Config, error) {
	if c == nil || len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, status.Errorf(status.InvalidArgument, "there is no program to start: Config.Argv is empty")
	}
	d := *c
	if d.Name == "" {
		d.Name = filepath.Base(d.Argv[0])
	}
	if d.Handover == "" {
		d.Handover = FD
		if runtime.GOOS == "windows" {
			d.Handover = Stdio
		}
	}
	if d.Ready == "" {
		d.Ready = Said
		if runtime.GOOS == "windows" {
			d.Ready = Connected
		}
		if !d.serves() {
			d.Ready = Started
		}
	}
	orDuration(&d.StartTimeout, DefaultStartTimeout)
	orDuration(&d.StopTimeout, DefaultStopTimeout)
	if d.MaxLine <= 0 {
		d.MaxLine = DefaultMaxLine
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &d, d.check()
}

// check refuses what cannot be.
func (c *Config) check() error {
	switch c.Handover {
	case FD, Stdio, Env, Args, Dapper, None:
	default:
		return status.Errorf(status.InvalidArgument, "hand-over %q is unknown: it is fd, stdio, env, args, dapper or none", c.Handover)
	}
	switch c.Ready {
	case Connected, Said, Started:
	default:
		return status.Errorf(status.InvalidArgument, "ready %q is unknown: it is connect, said or start", c.Ready)
	}
	switch {
	case c.Ready == Connected && !c.serves():
		return status.Errorf(status.InvalidArgument, "the child connects to somebody else, so when it has is not known here: wait for said or start")
	case c.Handover == Stdio && c.Address != "":
		return status.Errorf(status.InvalidArgument, "standard input and output lead to this process only: hand an address over in another way")
	case runtime.GOOS == "windows" && (c.Handover == FD || c.Ready == Said):
		err := fmt.Errorf("sockets are not inherited on windows, hand over by stdio, env or args: %w", errors.ErrUnsupported)
		return &status.Error{Code: status.Unsupported, Message: err.Error(), Err: err}
	}
	return nil
}

func orDuration(d *time.Duration, standard time.Duration) {
	if *d <= 0 {
		*d = standard
	}
}
