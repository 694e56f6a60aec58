// SPDX-License-Identifier: Apache-2.0

package session

// hear reads the HELLO of a dialler and asks whether it may go on.
func (h *handshake) hear() error {
	if err := h.readHello(); err != nil || h.cfg.Screen == nil {
		return err
	}
	return h.cfg.Screen()
}
