// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/session"
)

// What a policy costs a call that succeeds, beside the fake that answers at once.
func BenchmarkSuccess(b *testing.B) {
	serve := func(context.Context, int, session.Message) (session.Reply, error) { return session.Reply{}, nil }
	for _, c := range []struct {
		name     string
		policies []policy.Policy
	}{
		{"none", nil},
		{"retry", []policy.Policy{policy.Retry{}}},
		{"breaker", []policy.Policy{policy.Breaker{}}},
		{"timeout", []policy.Policy{policy.Timeout{}}},
		{"limit", []policy.Policy{policy.Limit{}}},
		{"hedge", []policy.Policy{policy.Hedge{Delay: time.Second}}},
		{"hedge-learned", []policy.Policy{policy.Hedge{}}},
		{"all", []policy.Policy{policy.Limit{}, policy.Retry{}, policy.Hedge{Delay: time.Second}, policy.Breaker{}, policy.Timeout{}}},
	} {
		m := session.Message{Idempotent: true}
		b.Run(c.name, func(b *testing.B) {
			w := policy.Wrap(&fake{serve: serve}, c.policies...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Method("m").Call(b.Context(), m, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
