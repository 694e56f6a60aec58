// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/plexus-ipc/plexus/daemon"
)

// underManager takes what a service manager says in the environment, so that no child of this
// process takes it for its own.
func (a *app) underManager(c *daemon.Config) (err error) {
	getenv := func(name string) string { v, _ := a.env(name); return v }
	if c.Inherited, err = daemon.InheritedSockets(getenv, os.Getpid()); err != nil {
		return usage(err)
	}
	if c.Notify, err = daemon.NewNotifier(getenv, os.Getpid()); err != nil {
		return usage(err)
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	return nil
}
