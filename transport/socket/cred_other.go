// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package socket

import "github.com/plexus-ipc/plexus/transport"

// credentialsOf is not possible on this system.
func credentialsOf(int) (transport.Credentials, error) {
	return noCredentials, unsupported("peer credentials of a socket")
}
