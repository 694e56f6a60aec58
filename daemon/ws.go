// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/ws"
)

// WebOptions says which web pages and names ws and wss addresses take. The zero value lets no
// page in.
type WebOptions struct {
	// Origins lists the origins of web pages that may connect, such as https://app.example.
	Origins []string
	// Hosts lists names, with or without a port, that requests may ask for beside the address's own.
	Hosts []string
}

// Drivers returns the driver for ws and wss addresses. The error says which origin or host is none.
func (o *WebOptions) Drivers() ([]transport.Transport, error) {
	d, err := ws.New(socket.TCP(), ws.Config{Origins: o.Origins, Hosts: o.Hosts})
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	return []transport.Transport{d}, nil
}

// drivers returns what Config has beside Transports.
func (d *Daemon) drivers() ([]transport.Transport, error) {
	noisy, err := d.cfg.Noise.Drivers(d.log)
	if err != nil {
		return nil, err
	}
	web, err := d.cfg.Web.Drivers()
	return append(noisy, web...), err
}
