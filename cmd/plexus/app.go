// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/daemon"
)

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)

	// The global flags.
	address, secretFile, id string
	tokenFile               string
	serverUsers             []string
	reconnect               bool
	connected               atomic.Bool // has been, with reconnect
	passwordFile            string
	output, logLevel        string
	logFormat               string
	timeout                 time.Duration
	timeoutSet              bool
	timeFlag                string // what gives a verb more time
	tls                     daemon.TLSFiles
	tlsName                 string
	noise                   daemon.NoiseFiles
	socketBuffer            string
	socketBytes             int    // what that is
	letterFile              string // of dead letters, instead of a hub

	began bool // the command line was right: what fails from now on is no usage error
	again chan struct{}
}

func newApp(in io.Reader, out, err io.Writer, env func(string) (string, bool)) *app {
	return &app{in: in, out: out, err: err, env: env, again: make(chan struct{}), timeFlag: "--timeout"}
}

// run executes a command line and returns the exit code.
func (a *app) run(args []string) int {
	ctx, done := a.catchSignals()
	defer done()
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK // also where a signal is the good end: serve, provide
	}
	if !a.began {
		err = usage(err)
	}
	if stop, ok := errors.AsType[*interruption](context.Cause(ctx)); ok && !errors.As(err, new(*usageError)) {
		err = stop
	}
	return a.fail(err)
}

// interruption is the end of a context by a signal.
type interruption struct{ sig os.Signal }

// Error names the signal.
func (i *interruption) Error() string { return "interrupted by " + i.sig.String() }

// catchSignals returns a context that the first signal ends; the second closes a.again,
// the third ends the process.
func (a *app) catchSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, over := make(chan os.Signal, 3), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-over:
				return
			case sig := <-signals:
				switch n {
				case 1:
					cancel(&interruption{sig})
				case 2:
					close(a.again)
				default:
					os.Exit(exitInterrupted)
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(over)
		cancel(nil)
	}
}

// logger returns the log on stderr. level is the one without --log-level.
func (a *app) logger(level slog.Level) (*slog.Logger, error) {
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return nil, usagef("--log-level %q is unknown: it is debug, info, warn or error", a.logLevel)
		}
	}
	o := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(a.err, o)), nil
	}
	return nil, usagef("--log-format %q is unknown: it is text or json", a.logFormat)
}

// verb makes a command's function of one that gets a context bounded by --timeout, or by
// def if that is not given; 0 is no bound.
func (a *app) verb(def time.Duration, f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		limit := def
		if a.timeoutSet {
			limit = a.timeout
		}
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		return f(ctx, args)
	}
}

// defaultTimeout bounds the verbs that ask and answer.
const defaultTimeout = 30 * time.Second

// say tells on stderr that a verb has begun to do its work: people and scripts wait for it.
func (a *app) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if a.output == outputJSON {
		fmt.Fprintln(a.err, mustJSON(map[string]string{"ready": text}))
		return
	}
	fmt.Fprintln(a.err, text)
}
