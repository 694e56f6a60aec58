// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
)

// reloader reads something anew. What it cannot read it leaves as it was.
type reloader struct {
	what string
	read func(ctx context.Context) error
}

// Reload reads the files anew that the configuration names: secrets, issuers of tokens, the
// list of revoked ones. Sessions whose proof is taken no more end. A file that cannot be used
// leaves what it is about as it was; the error says which, and so does the log.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	var errs []error
	for _, r := range d.reloaders {
		if err := r.read(ctx); err != nil {
			d.log.Error("not reloaded: it stays as it was", "what", r.what, "error", err.Error())
			errs = append(errs, err)
			continue
		}
		d.log.Info("reloaded", "what", r.what)
	}
	return errors.Join(errs...)
}
