// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/plexus-ipc/plexus/daemon"
)

// reloadOnHangup has d reload when SIGHUP comes, until the returned function is called. The
// log tells what became of it.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon) (stop func()) {
	hangups, over, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for {
			select {
			case <-hangups:
				_ = d.Reload(ctx)
			case <-over:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(over)
		<-done
	}
}
