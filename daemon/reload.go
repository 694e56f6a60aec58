// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"sync"
)

// reloads are what a Daemon reads anew while it runs.
type reloads struct {
	turn sync.Mutex // one Reload at a time

	mu  sync.Mutex
	all []reloader
}

// reloader is one of them.
type reloader struct {
	what string
	f    func(context.Context) error
}

// OnReload has Reload call f, after those that were given before. what says in a word or two what
// it reads, for the log. f must leave everything as it was if it fails; its error says which file
// is wrong, and where, on one line. Any number may be given at any time.
func (d *Daemon) OnReload(what string, f func(context.Context) error) {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	d.reloads.all = append(d.reloads.all, reloader{what, f})
}

// Reloads returns what Reload reads anew, in its order; nothing if it has nothing to do.
func (d *Daemon) Reloads() []string {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	var all []string
	for _, r := range d.reloads.all {
		all = append(all, r.what)
	}
	return all
}

// Reload reads anew what can change while the daemon runs: the access list, and what OnReload
// was given. Each by itself: what cannot be read, or is wrong, stays as it was, is told by one
// line of the log and by the error, and keeps nothing else from being read. It blocks until all
// is in force; calls take turns. It ends early, between two of them, with ctx.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloads.turn.Lock()
	defer d.reloads.turn.Unlock()
	d.reloads.mu.Lock()
	all := append([]reloader(nil), d.reloads.all...)
	d.reloads.mu.Unlock()
	var failed []error
	for _, r := range all {
		if err := ctx.Err(); err != nil {
			failed = append(failed, err)
			break
		}
		if err := r.f(ctx); err != nil {
			d.log.Error("reload failed, the old one stays in force", "what", r.what, "error", err.Error())
			failed = append(failed, err)
			continue
		}
		d.log.Info("reloaded", "what", r.what)
	}
	return errors.Join(failed...)
}
