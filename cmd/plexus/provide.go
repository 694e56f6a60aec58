// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/offers"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/runner"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

const provideHelp = `Offer a shell command as a method of a channel, until it is interrupted.

  plexus provide math/add -- jq -c '{sum: (.a + .b)}'
  plexus provide text/upper -- tr a-z A-Z
  plexus provide host/uptime --text -- uptime
  plexus provide logs/follow --stream --text -- journalctl -f
  plexus provide math/add --schema add.json -- jq -c '{sum: (.a + .b)}'

The command runs once per call: the request is its stdin, its stdout is the answer. Both
are JSON, unless the caller sends raw bytes: then the answer is bytes, too. --text says
that stdout is text, which is answered as a JSON string. With --stream each line is an
item, sent as soon as it is there.

--schema announces what the command takes and gives: a file with {"input": …, "output": …}
of JSON Schemas, or with the schema of the input alone. Requests that do not fit the input
are refused, and the command does not run.

With --group several processes provide one method, and the hub gives each call to one of
them, by --balance. --capacity says how many calls at a time it gives this one.

  plexus provide jobs/resize --group resizers --capacity 2 --idempotent -- ./resize.sh

An exit code other than 0 fails the call with the last line of stderr (status failed). When
the caller gives up, or its time is up, the command is killed with all that it has
started. Events (plexus send, plexus broadcast) of that name run it, too, one at a time.
The command sees PLEXUS_CHANNEL, PLEXUS_METHOD, PLEXUS_SENDER (the caller's id) and
PLEXUS_ATTEMPT: 1, or more if other providers have died of the call, or with it.

"providing …" on stderr says that from now on the method can be called. The first in a
channel owns it; when the owner leaves, the channel ends for all (plexus serve
--owner-policy).`

// farewellTimeout bounds the end of a provider: withdrawing, and the calls that run.
const farewellTimeout = 10 * time.Second

type provideFlags struct {
	runner.Config
	schema string
	share  shareFlags
}

func (a *app) provide() *cobra.Command {
	var flags provideFlags
	cmd := &cobra.Command{
		Use: "provide [channel/]method -- command [args...]", Short: "Offer a shell command as a method", Long: provideHelp,
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeChannels,
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.Stream, "stream", "s", false, "answer with a stream: each line of stdout is an item")
	f.BoolVar(&flags.Text, "text", false, "stdout is text, not JSON")
	f.IntVarP(&flags.Parallel, "parallel", "p", 8, "commands that may run at a time; further calls wait")
	f.IntVar(&flags.MaxOutput, "max-output", session.DefaultMaxMessage, "longest answer, or line of a stream, in bytes")
	f.StringVar(&flags.schema, "schema", "", "file with the JSON Schemas to announce, and to judge requests by")
	flags.share.add(f)
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		if flags.Parallel < 1 || flags.MaxOutput < 1 {
			return usagef("--parallel and --max-output are at least 1")
		}
		channel, method, err := splitOffer(args[0])
		if err != nil {
			return err
		}
		if flags.schema != "" {
			if flags.Options, err = offers.ReadFile(flags.schema); err != nil {
				return usage(err)
			}
		}
		shared, err := flags.share.options()
		if err != nil {
			return err
		}
		flags.Options = append(flags.Options, shared...)
		r, err := runner.New(&flags.Config, args[1:], a.err)
		if err != nil {
			return usage(err)
		}
		return a.at(ctx, channel, func(c *plexus.Client, ch *plexus.Channel) error { return a.offer(ctx, c, ch, method, r) })
	})
	return cmd
}

// offer serves a method until ctx ends, which is the good end, or the hub ends it.
func (a *app) offer(ctx context.Context, c *plexus.Client, ch *plexus.Channel, method string, r *runner.Runner) error {
	events := plexus.On(ch, method, r.Event, service.WithOnError(func(err error) { fmt.Fprintln(a.err, "plexus: event:", oneLine(err.Error())) }))
	defer events.Close()
	m, err := membership(ctx, c, ch)
	if err != nil {
		return err
	}
	reg, err := r.Offer(ch, method)
	if err != nil {
		return err
	}
	a.say("providing %s as %s", joinName(ch.Name(), method), c.ID())
	select {
	case <-ctx.Done():
		m.stop()
		return farewell(c, reg)
	case err = <-m.ended:
	}
	if errors.Is(err, status.Unavailable) { // the hub shuts down, and waits for the calls that run here
		select {
		case <-c.Done():
		case <-ctx.Done():
		}
	}
	return a.gone(err)
}

// farewell withdraws the method and lets the calls that run end.
func farewell(c *plexus.Client, reg *plexus.Registration) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	if err := reg.Close(ctx); err != nil {
		return err
	}
	return c.Shutdown(ctx, true)
}
