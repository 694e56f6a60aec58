// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/status"
)

// BridgeRule returns a rule for hub.Config.Bridges: the identities with one of the names
// ("uid:1000", "cn:backup", "secret") may be bridges, all for "*". For no names it is nil.
func BridgeRule(names []string) func(auth.Identity) bool {
	if len(names) == 0 {
		return nil
	}
	names = slices.Clone(names)
	return func(id auth.Identity) bool { return slices.Contains(names, id.Name) || slices.Contains(names, "*") }
}

// bridgeNames are who may be a bridge: the own user as well if the daemon itself has bridges.
func (c *Config) bridgeNames() []string {
	names := slices.Clone(c.AllowBridges)
	if len(c.Bridges) > 0 && runtime.GOOS != "windows" {
		names = append(names, "uid:"+strconv.Itoa(os.Geteuid()))
	}
	return names
}

// checkBridges refuses addresses that are none.
func (c *Config) checkBridges() error {
	for _, address := range c.Bridges {
		if _, err := endpoint.Parse(address); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	return nil
}

// bridges links the hub with those that the configuration names, until ctx ends; wait returns
// when all have ended.
func (d *Daemon) bridges(ctx context.Context) (wait func(), err error) {
	var wg sync.WaitGroup
	conf, err := d.cfg.TLS.Client()
	if err != nil {
		return nil, err
	}
	more, err := d.drivers()
	if err != nil {
		return nil, err
	}
	var own string
	if all := d.Endpoints(); len(all) > 0 {
		own = all[0]
	}
	for _, address := range d.cfg.Bridges {
		o := plexus.DialOptions{TLS: conf, Transports: d.cfg.Transports, More: more, Log: d.log}
		b, err := bridge.New(bridge.Config{
			A: bridge.Side{Dial: d.to(own, o), Channels: d.cfg.BridgeChannels}, B: bridge.Side{Dial: d.to(address, o), Channels: d.cfg.BridgeChannels},
			Passwords: d.passwords, Log: d.log.With("bridge", address),
		})
		if err != nil {
			return nil, err
		}
		wg.Go(func() { _ = b.Run(ctx) }) // it tells the log why it ends
	}
	return wg.Wait, nil
}

// to is bridge.To with the secret of the moment.
func (d *Daemon) to(address string, o plexus.DialOptions) func(context.Context, plexus.DialOptions) (*plexus.Client, error) {
	return func(ctx context.Context, side plexus.DialOptions) (*plexus.Client, error) {
		present := o
		present.Secret = *d.known.Load()
		return bridge.To(address, present)(ctx, side)
	}
}
