// SPDX-License-Identifier: Apache-2.0

package auth

// Own reports whether the kernel vouches that the party runs as the user that this process
// runs as.
func (id Identity) Own() bool {
	return id.HasCredentials && Peer{UID: id.UID, GID: id.GID, SID: id.SID, HasCredentials: true}.is(self())
}
