// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

const runHelp = `Run a program as a child, with a hub of its own to connect to.

  plexus run -- make test                          # its plexus verbs meet at a private hub
  plexus run --handover fd --ready said -- ./worker
  plexus run --restart on-failure --listen app -- ./worker --verbose
  plexus run --hub -- ./worker                     # at the hub of --address instead

How the program learns where the hub is, with --handover:

  env     PLEXUS_ENDPOINT and PLEXUS_ADDRESS are the address
  args    --plexus-endpoint=ADDRESS is appended to its arguments
  dapper  --ipc unix --ipc-path PATH is appended, as Dapper has it
  fd      PLEXUS_ENDPOINT is fd://3: it inherits a connected socket
  stdio   PLEXUS_ENDPOINT is stdio:; it talks over its standard input and output
  none    it does not

A program in Go calls supervise.Connect, which finds it all. The private hub is at a socket
in a directory that only this child has (PLEXUS_CHILD_DIR), so that any number of them run
side by side without a port; --listen lets others come, too.

What the child prints is passed on line by line: to stdout and stderr, or with -o json as
{"child":…,"stream":…,"text":…} to stdout. Its standard input is empty.

SIGINT and SIGTERM end the child: it is asked on its lifeline if it watches that, told by
SIGTERM, and killed after --stop-timeout, with all that it has started. It is also killed
when plexus is killed. The exit code is the child's, 128 and the number of the signal
that ended it; after a signal to plexus 0, or 130 or 143 if the child had to be killed.`

type runFlags struct {
	cfg      supervise.Config
	restart  supervise.Restart
	handover string
	ready    string
	when     string
	listen   []string
	hub      bool
	noKeeper bool
}

func (a *app) runChild() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use: "run -- command [args...]", Short: "Run a program as a child that is handed a hub", Long: runHelp,
		Args: cobra.MinimumNArgs(1),
	}
	flags.add(cmd.Flags())
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		log, err := a.logger(slog.LevelWarn)
		if err != nil {
			return err
		}
		flags.cfg.Argv, flags.cfg.Log = args, log
		return a.supervise(ctx, &flags)
	})
	return cmd
}

func (r *runFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&r.handover, "handover", string(supervise.Env), "how the child learns of the hub: env, args, dapper, fd, stdio or none")
	f.BoolVar(&r.hub, "hub", false, "hand over the hub at --address instead of a private one")
	f.StringArrayVarP(&r.listen, "listen", "l", nil, "address at which others reach the private hub, may be repeated")
	f.StringVar(&r.ready, "ready", string(supervise.Started), "the child is ready once it has: start (it runs), connect (to the private hub), said (on its lifeline)")
	f.DurationVar(&r.cfg.StartTimeout, "start-timeout", supervise.DefaultStartTimeout, "time until it must be ready")
	f.DurationVar(&r.cfg.StopTimeout, "stop-timeout", supervise.DefaultStopTimeout, "time to end before it is killed")
	f.StringVar(&r.when, "restart", string(supervise.Never), "start it again: never, on-failure or always")
	f.IntVar(&r.restart.Max, "max-restarts", supervise.DefaultMaxRestarts, "how often within --within before it is given up, -1 for ever")
	f.DurationVar(&r.restart.Within, "within", supervise.DefaultWithin, "the time for --max-restarts")
	f.DurationVar(&r.restart.Longest, "max-wait", supervise.DefaultLongest, "longest wait before a restart")
	f.StringVar(&r.cfg.Dir, "dir", "", "working directory of the child")
	f.BoolVar(&r.noKeeper, "no-keeper", false, "spare the small process that cleans up if plexus is killed")
}

// supervise runs the child until it or ctx ends.
func (a *app) supervise(ctx context.Context, r *runFlags) error {
	cfg := &r.cfg
	a.timeFlag = "--start-timeout, to end with --stop-timeout"
	if _, err := exec.LookPath(cfg.Argv[0]); err != nil {
		return usagef("there is no program to run: %w", err)
	}
	cfg.Handover, cfg.Ready, r.restart.When = supervise.Handover(r.handover), supervise.Ready(r.ready), supervise.When(r.when)
	cfg.Output = a.pass(cfg.Argv[0])
	if self, err := os.Executable(); err == nil && !r.noKeeper {
		cfg.Keeper = []string{self, keeperVerb}
	}
	if r.restart.Max == 0 {
		r.restart.When = supervise.Never
	}
	r.restart.OnReady = func(c *supervise.Child) { a.say("running %s (pid %d)", c.Name(), c.PID()) }
	r.restart.OnEnd = func(err error, wait time.Duration) {
		switch {
		case wait >= 0:
			a.say("starting it again in %v: %s", wait.Round(time.Microsecond), reason(err))
		case ctx.Err() != nil && errors.Is(err, status.DeadlineExceeded):
			a.say("%s", reason(err))
		}
	}
	if r.hub {
		if len(r.listen) > 0 {
			return usagef("--listen is for the private hub, and there is none with --hub")
		}
		var err error
		if cfg.Address, err = realAddress(a.address); err != nil {
			return usage(err)
		}
	} else if r.handover != string(supervise.None) || len(r.listen) > 0 {
		srv, err := privateHub(ctx, cfg.Log, r.listen)
		if err != nil {
			return err
		}
		defer srv.Close()
		for _, e := range srv.Endpoints() {
			a.say("listening on %s", e)
		}
		cfg.Server = srv
	}
	return childExit(supervise.Run(ctx, cfg, &r.restart))
}

// privateHub makes a hub, which others reach at the given addresses only.
func privateHub(ctx context.Context, log *slog.Logger, listen []string) (*plexus.Server, error) {
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{Version: programVersion()}), Log: log})
	if err != nil {
		return nil, err
	}
	for _, address := range listen {
		if err := srv.Bind(ctx, address); err != nil {
			srv.Close()
			return nil, err
		}
	}
	return srv, nil
}

// realAddress is where a name leads: a child may have another environment.
func realAddress(address string) (string, error) {
	ep, err := endpoint.Parse(address)
	if err != nil || ep.Scheme() != "auto" {
		return address, err
	}
	if ep, err = ep.Resolve(endpoint.RuntimeDir(os.Getenv, os.Getuid(), runtime.GOOS)); err != nil {
		return "", err
	}
	if runtime.GOOS == "linux" {
		if ep, err = ep.WithScheme("shm"); err != nil {
			return "", err
		}
	}
	return ep.String(), nil
}

// pass hands on what the child prints.
func (a *app) pass(name string) func(supervise.Line) {
	return func(l supervise.Line) {
		to, stream := a.out, "stdout"
		if l.Stderr {
			to, stream = a.err, "stderr"
		}
		switch {
		case a.output == outputJSON:
			fmt.Fprintln(a.out, mustJSON(map[string]string{"child": name, "stream": stream, "text": l.Text}))
		case l.More:
			fmt.Fprint(to, l.Text)
		default:
			fmt.Fprintln(to, l.Text)
		}
	}
}

// reason is why a child is started again.
func reason(err error) string {
	if err == nil {
		return "it has ended"
	}
	return oneLine(err.Error())
}

// exitCode is the end of a child that decides how this program ends.
type exitCode struct {
	code int
	err  error
}

// Error says how the child ended.
func (e *exitCode) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *exitCode) Unwrap() error { return e.err }

// childExit gives the end of a child its exit code.
func childExit(err error) error {
	e, ok := errors.AsType[*supervise.ExitError](err)
	switch {
	case !ok:
		return err
	case e.Signal != "":
		return &exitCode{128 + e.Number, err}
	}
	return &exitCode{e.Code, err}
}

// keeperVerb is what plexus calls itself with.
const keeperVerb = "run-keeper"

// keeper is the process beside the child of run.
func (a *app) keeper() *cobra.Command {
	return &cobra.Command{
		Use: keeperVerb + " directory time", Short: "Clean up after a plexus run that is killed", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return supervise.Keep(a.in, args) },
	}
}
