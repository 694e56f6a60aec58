// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// common returns the first of the dialler's wanted upgrades that the accepter offers.
func (h *handshake) common() string {
	client, server := h.mine.Upgrades, h.theirs.Upgrades
	if !h.dialled {
		client, server = server, client
	}
	for _, name := range client {
		if slices.Contains(server, name) {
			return name
		}
	}
	return ""
}

// upgradeClient offers an upgrade of the Conn if both sides know one, and goes on with
// what comes of it. A refusal or failure leaves the Conn as it is.
func (h *handshake) upgradeClient() error {
	name := h.common()
	if name == "" {
		return nil
	}
	up := h.conn.(transport.Upgrader)
	offer, finish, err := up.OfferUpgrade(name)
	body := wire.Upgrade{Name: name, Data: offer}
	if err != nil {
		body = wire.Upgrade{Reason: err.Error()}
	}
	if err := h.sendUpgrade(&body); err != nil {
		return err
	}
	answer, err := h.receiveUpgrade()
	if err != nil || answer.Name != name || body.Name == "" {
		h.noUpgrade(name, answer.Reason+body.Reason)
		return err
	}
	conn, err := finish(answer.Data)
	if err != nil {
		return status.Errorf(status.Protocol, "upgrade to %s: %w", name, err)
	}
	h.conn = conn
	return nil
}

// upgradeServer answers the offer.
func (h *handshake) upgradeServer() error {
	want := h.common()
	if want == "" {
		return nil
	}
	offer, err := h.receiveUpgrade()
	if err != nil {
		return err
	}
	if offer.Name != want {
		h.noUpgrade(want, offer.Reason)
		return h.sendUpgrade(&wire.Upgrade{Reason: "not offered"})
	}
	answer, conn, err := h.conn.(transport.Upgrader).AcceptUpgrade(want, offer.Data)
	if err != nil {
		h.noUpgrade(want, err.Error())
		return h.sendUpgrade(&wire.Upgrade{Reason: err.Error()})
	}
	if err := h.sendUpgrade(&wire.Upgrade{Name: want, Data: answer}); err != nil {
		conn.Close()
		return err
	}
	h.conn = conn
	return nil
}

func (h *handshake) noUpgrade(name, reason string) {
	h.cfg.Log.Info("upgrade not made, the connection stays as it is", "upgrade", name, "reason", reason)
}

func (h *handshake) sendUpgrade(u *wire.Upgrade) error {
	body, err := wire.AppendJSON(nil, u)
	if err != nil {
		return err
	}
	return h.send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindUpgrade}, nil, body))
}

func (h *handshake) receiveUpgrade() (u wire.Upgrade, err error) {
	body, err := h.receive(wire.KindUpgrade)
	if err != nil {
		return u, err
	}
	if err := wire.ParseJSON(body, &u); err != nil {
		return u, status.Errorf(status.Protocol, "%w", err)
	}
	return u, nil
}
