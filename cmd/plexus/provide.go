// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

const provideHelp = `Offer a shell command as a method of a channel, until it is interrupted.

  plexus provide math/add -- jq -c '{sum: (.a + .b)}'
  plexus provide text/upper -- tr a-z A-Z
  plexus provide host/uptime --text -- uptime
  plexus provide logs/follow --stream --text -- journalctl -f

The command runs once per call: the request is its stdin, its stdout is the answer. Both
are JSON, unless the caller sends raw bytes: then the answer is bytes, too. --text says
that stdout is text, which is answered as a JSON string. With --stream each line is an
item, sent as soon as it is there.

An exit code other than 0 fails the call with the last line of stderr (status failed). When
the caller gives up, or its time is up, the command is killed with all that it has
started. Events (plexus send, plexus broadcast) of that name run it, too, one at a time.
The command sees PLEXUS_CHANNEL, PLEXUS_METHOD and PLEXUS_SENDER (the caller's id).

"providing …" on stderr says that from now on the method can be called. The first in a
channel owns it; when the owner leaves, the channel ends for all (plexus serve
--owner-policy).`

type provideFlags struct {
	stream, text bool
	parallel     int
	maxOutput    int
}

func (a *app) provide() *cobra.Command {
	var flags provideFlags
	cmd := &cobra.Command{
		Use: "provide [channel/]method -- command [args...]", Short: "Offer a shell command as a method", Long: provideHelp,
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeChannels,
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.stream, "stream", "s", false, "answer with a stream: each line of stdout is an item")
	f.BoolVar(&flags.text, "text", false, "stdout is text, not JSON")
	f.IntVarP(&flags.parallel, "parallel", "p", 8, "commands that may run at a time; further calls wait")
	f.IntVar(&flags.maxOutput, "max-output", session.DefaultMaxMessage, "longest answer, or line of a stream, in bytes")
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		if flags.parallel < 1 || flags.maxOutput < 1 {
			return usagef("--parallel and --max-output are at least 1")
		}
		channel, method, err := splitOffer(args[0])
		if err != nil {
			return err
		}
		r := &runner{flags: flags, argv: args[1:], slots: make(chan struct{}, flags.parallel), errors: a.err}
		if err := r.check(); err != nil {
			return err
		}
		return a.at(ctx, channel, func(c *plexus.Client, ch *plexus.Channel) error { return a.offer(ctx, c, ch, method, r) })
	})
	return cmd
}

// offer serves a method until ctx ends, which is the good end, or the hub ends it.
func (a *app) offer(ctx context.Context, c *plexus.Client, ch *plexus.Channel, method string, r *runner) error {
	events := plexus.On(ch, method, r.event, func(err error) { fmt.Fprintln(a.err, "plexus: event:", oneLine(err.Error())) })
	defer events.Close()
	m, err := membership(ctx, c, ch)
	if err != nil {
		return err
	}
	reg, err := r.register(ch, method)
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

// register offers the method in the shape that the flags say.
func (r *runner) register(ch *plexus.Channel, method string) (*plexus.Registration, error) {
	if r.flags.stream {
		return plexus.HandleStream(ch, method, func(ctx context.Context, in value, send func(value) error) error {
			return r.stream(ctx, in, send)
		})
	}
	return plexus.Handle(ch, method, r.call)
}

// answer makes the command's output the answer in the codec of the request.
func (r *runner) answer(out []byte, raw bool) (value, error) {
	switch {
	case raw:
		return out, nil
	case r.flags.text:
		return json.Marshal(string(out))
	case json.Valid(out):
		return out, nil
	}
	return nil, status.Errorf(status.Failed, "the command printed no JSON: provide it with --text, or call it with --raw")
}
