// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// Reload is for administrators, who are told what is wrong; it ends with who has asked for it.
func TestReloadOperation(t *testing.T) {
	wrong := status.Errorf(status.InvalidArgument, "list.json:1:2: wrong")
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	var does func(context.Context) error
	h := newHouse(t, hub.Config{
		Access:   access(t, rule("boss", "administer", ""), rule("p", "*", "")),
		OnReload: func(ctx context.Context) error { return does(ctx) },
	})
	boss, p := h.enter("boss", nil), h.enter("p", nil)
	wantCode(t, p.op(operation.Reload, operation.Empty{}, nil), status.PermissionDenied)
	does = func(context.Context) error { return nil }
	must(t, boss.op(operation.Reload, operation.Empty{}, nil))
	does = func(context.Context) error { return wrong }
	if err := boss.op(operation.Reload, operation.Empty{}, nil); !errors.Is(err, status.InvalidArgument) || status.Convert(err).Message != wrong.Message {
		t.Fatal(err)
	}
	does = func(context.Context) error { // its own session ends by what it has asked for
		h.h.SetAccess(access(t, rule("p", "administer", "")))
		return nil
	}
	if err := boss.op(operation.Reload, operation.Empty{}, nil); err == nil {
		t.Fatal("who has no rights any more is answered")
	}
	does = func(ctx context.Context) error {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	go func() { _ = p.op(operation.Reload, operation.Empty{}, nil) }()
	<-begun
	p.s.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	none := newHouse(t, hub.Config{Access: access(t, rule("boss", "administer", ""))})
	wantCode(t, none.enter("boss", nil).op(operation.Reload, operation.Empty{}, nil), status.Unimplemented)
}

// What a change of the list costs, with members that have something each.
func BenchmarkSetAccess(b *testing.B) {
	h := newHouse(b, hub.Config{})
	for range 200 {
		p := h.enter("", nil)
		p.joinChannel("ch")
		p.subscribe("ch", ">")
	}
	rules := access(b, rule("*", "*", ""))
	for b.Loop() {
		h.h.SetAccess(rules)
	}
}
