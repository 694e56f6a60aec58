// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/transport"
)

// moreDrivers returns the drivers for addresses that the library alone has none for.
func (a *app) moreDrivers(log *slog.Logger, addresses ...string) ([]transport.Transport, error) {
	noisy, err := a.noiseDrivers(log, addresses...)
	if err != nil {
		return nil, err
	}
	web, err := new(daemon.WebOptions).Drivers() // what a listener takes is of no concern to a dialler
	return append(noisy, web...), err
}
