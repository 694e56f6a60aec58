// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

const bridgeHelp = `Join two hubs, until it is interrupted: what the members of one offer, publish, send and
broadcast reaches those of the other, as members with the id name@hub.

  plexus serve -a west --id west --allow-bridge uid:1000
  plexus serve -a east --id east --allow-bridge uid:1000
  plexus bridge west east
  plexus bridge west tls://other:4433 --out 'public.*' --in weather --secret-file s

Both hubs must let this user be a bridge (--allow-bridge), and their ids must differ. A
link that is lost is made again. Any number of bridges may join any number of hubs, in
rings, too: messages take the shortest way and come once.

--out narrows what goes from the first hub to the second, --in what goes the other way, to
channels by name or pattern; answers of calls go both ways.`

// bridgeFlags are the flags of the verb.
type bridgeFlags struct {
	out, in    []string
	none       []string // "out", "in": nothing goes that way
	secondFile string
	passwords  []string
}

func (a *app) bridge() *cobra.Command {
	var flags bridgeFlags
	cmd := &cobra.Command{
		Use: "bridge <hub> <hub>", Short: "Join two hubs", Long: bridgeHelp, Args: cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringSliceVar(&flags.out, "out", nil, "channels of which something goes from the first hub to the second (default: all)")
	cmd.Flags().StringSliceVar(&flags.in, "in", nil, "channels of which something goes from the second to the first (default: all)")
	cmd.Flags().StringSliceVar(&flags.none, "nothing", nil, "nothing at all goes that way: out or in")
	cmd.Flags().StringVar(&flags.secondFile, "second-secret-file", "", "file with the secret of the second hub (default: that of the first)")
	cmd.Flags().StringArrayVar(&flags.passwords, "password", nil, "password of a channel that is to go over: channel=FILE or channel=env:NAME, may be repeated")
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		cfg, err := a.bridgeConfig(&flags, args)
		if err != nil {
			return err
		}
		b, err := bridge.New(*cfg)
		if err != nil {
			return err
		}
		over := make(chan error, 1)
		go func() { over <- b.Run(ctx) }()
		if err := a.awaitLink(b, over); err != nil {
			return ended(ctx, err)
		}
		s := b.Stats()
		a.say("linked %s and %s", s.Hubs[0], s.Hubs[1])
		return ended(ctx, <-over)
	})
	return cmd
}

// ended makes the end that was asked for no error.
func ended(ctx context.Context, err error) error {
	if context.Cause(ctx) != nil && status.CodeOf(err) == status.Cancelled {
		return nil
	}
	return err
}

// settleTime is how long a bridge that is linked may take to bring over what there is, before it
// is called linked all the same.
const settleTime = 5 * time.Second

// awaitLink returns once the hubs are linked and what there was has been brought over, or the
// error that the bridge has ended with.
func (a *app) awaitLink(b *bridge.Bridge, over <-chan error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var linked time.Time
	for {
		s := b.Stats()
		if len(s.Hubs) == 2 && linked.IsZero() {
			linked = time.Now()
		}
		if !linked.IsZero() && (s.Pending == 0 || time.Since(linked) > settleTime) && len(s.Hubs) == 2 {
			return nil
		}
		select {
		case err := <-over:
			return err
		case <-tick.C:
		}
	}
}

// bridgeConfig makes the bridge's configuration of the flags.
func (a *app) bridgeConfig(f *bridgeFlags, hubs []string) (*bridge.Config, error) {
	log, err := a.logger(slog.LevelInfo)
	if err != nil {
		return nil, err
	}
	for _, p := range append(f.out[:len(f.out):len(f.out)], f.in...) {
		if err := subject.ValidatePattern(p); err != nil {
			return nil, usage(err)
		}
	}
	for _, way := range f.none {
		switch way {
		case "out":
			f.out = []string{}
		case "in":
			f.in = []string{}
		default:
			return nil, usagef("--nothing %q is unknown: it is out or in", way)
		}
	}
	o := plexus.DialOptions{Log: log, Session: session.Config{Product: "plexus bridge " + programVersion()}}
	o.Transport.SendBuffer, o.Transport.RecvBuffer = a.socketBytes, a.socketBytes
	if o.Secret, err = a.secret(log); err != nil {
		return nil, err
	}
	if err = a.introduce(&o, log); err != nil {
		return nil, err
	}
	if o.TLS, err = a.tls.Client(); err != nil {
		return nil, err
	}
	if o.More, err = a.moreDrivers(log, hubs...); err != nil {
		return nil, err
	}
	if a.tlsName != "" {
		if o.TLS == nil {
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
		}
		o.TLS.ServerName = a.tlsName
	}
	second := o
	if f.secondFile != "" {
		var warning string
		if second.Secret, warning, err = daemon.ReadSecret(f.secondFile); err != nil {
			return nil, err
		}
		if warning != "" {
			log.Warn(warning)
		}
	}
	var given daemon.Config
	if err := a.presets(&given, f.passwords); err != nil {
		return nil, err
	}
	passwords, err := given.ChannelPasswords(log)
	if err != nil {
		return nil, err
	}
	if hubs[0] == hubs[1] {
		return nil, usage(fmt.Errorf("both ends of the bridge are %s: a hub is not linked to itself", hubs[0]))
	}
	return &bridge.Config{
		A: bridge.Side{Dial: bridge.To(hubs[0], o), Channels: f.out}, B: bridge.Side{Dial: bridge.To(hubs[1], second), Channels: f.in},
		Passwords: passwords, Log: log,
	}, nil
}
