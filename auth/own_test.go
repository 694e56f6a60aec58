// SPDX-License-Identifier: Apache-2.0

package auth

import "testing"

func TestOwn(t *testing.T) {
	x := Within().Server(Binding{})
	if _, done, err := x.Step(nil); err != nil || !done || Within().Name() != "none" {
		t.Fatal(done, err)
	}
	me := x.Identity()
	if !me.Own() || me.Name == "anonymous" || me.PID == 0 {
		t.Fatalf("%+v", me)
	}
	for _, id := range []Identity{nobody(), {}, {Name: me.Name, UID: me.UID, SID: me.SID}, {UID: me.UID + 1, SID: "S-1-0", HasCredentials: true}} {
		if id.Own() {
			t.Errorf("%+v is not the own user", id)
		}
	}
}
