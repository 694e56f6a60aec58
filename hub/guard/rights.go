// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// Everybody stands for all identities in Rights.
const Everybody = "*"

// Rights say who may do what concerns the whole hub. The user that the hub runs as may,
// where the kernel vouches for it, and whoever is within the hub's own process.
type Rights struct {
	// Administrators are identities, such as "uid:1000", "cn:ops" or "secret", that may
	// remove members and write to any, and read what the hub publishes.
	Administrators []string
	// Readers are identities that may read what the hub publishes; Everybody for all.
	Readers []string
}

// Administer returns why somebody may not remove members and write to them, or nil.
func (r *Rights) Administer(id auth.Identity) error {
	if id.Own() || listed(r.Administrators, id) {
		return nil
	}
	return status.Errorf(status.PermissionDenied, "%s is no administrator of this hub: the user that it runs as is, and who is listed (--admin)", called(id))
}

// Read returns why somebody may not read what the hub publishes, or nil.
func (r *Rights) Read(id auth.Identity) error {
	if id.Own() || listed(r.Administrators, id) || listed(r.Readers, id) {
		return nil
	}
	return status.Errorf(status.PermissionDenied, "%s may not read what the hub publishes: the user that it runs as may, and who is listed (--reader)", called(id))
}

func listed(names []string, id auth.Identity) bool {
	return slices.Contains(names, Everybody) || id.Name != "" && slices.Contains(names, id.Name)
}

func called(id auth.Identity) string {
	if id.Name == "" {
		return "this client"
	}
	return id.Name
}
