// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"errors"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// The frames of the UPGRADE step, as far as a transport sees them.
var (
	offered = []byte{8, 0, 0, 0, 'o', 0, 0, 0}
	agreed  = []byte{8, 0, 0, 0, 'y', 0, 0, 0}
	refused = []byte{8, 0, 0, 0, 'n', 0, 0, 0}
)

var errRefused = errors.New("refused")

// offerUpgrade is the dialling end. errRefused means that c goes on.
func offerUpgrade(c transport.Conn) (transport.Conn, error) {
	_, finish, err := c.(transport.Upgrader).OfferUpgrade(shm.Upgrade)
	if err != nil {
		return nil, err
	}
	if err := c.Send(offered); err != nil {
		return nil, err
	}
	b, err := c.Recv()
	if err != nil {
		return nil, err
	}
	defer b.Release()
	if b.Bytes()[4] != agreed[4] {
		return nil, errRefused
	}
	return finish(nil)
}

// acceptUpgrade is the accepting end. An error means that c goes on.
func acceptUpgrade(c transport.Conn) (transport.Conn, error) {
	b, err := c.Recv()
	if err != nil {
		return nil, err
	}
	b.Release()
	_, upgraded, err := c.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
	if err != nil {
		return nil, errors.Join(err, c.Send(refused))
	}
	return upgraded, c.Send(agreed)
}
