// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/seal"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// A receiver opens no sealed message twice, so that no policy sends one twice: an answer that is
// late is waited for, and a failure is told as it was, not as the replay that came after it.
func TestSealedIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := seal.NewRing()
		ids := make(map[string]*seal.Identity)
		for _, name := range []string{"ann", "bob"} {
			id, err := seal.Generate(seal.X25519)
			must(t, err)
			must(t, ring.Add(name, id.Public()))
			ids[name] = id
		}
		of := func(self, to string) *seal.Codec {
			c, err := seal.New(seal.Config{Self: ids[self], Ring: ring, Name: "m", To: []string{to}})
			must(t, err)
			return c
		}
		bob := of("bob", "ann")
		for _, fail := range []error{nil, status.Errorf(status.PeerGone, "the provider has gone"), &status.Error{Code: status.Overloaded, Retry: status.RetrySafe}} {
			f := &fake{serve: func(ctx context.Context, _ int, m session.Message) (session.Reply, error) {
				var in string
				x := bob.Answer()
				if err := x.Decode(m.Payload, &in); err != nil {
					return session.Reply{}, status.Errorf(status.InvalidArgument, "%w", err)
				}
				if err := after(ctx, 50*time.Millisecond); err != nil || fail != nil {
					return session.Reply{}, cmp.Or(fail, err)
				}
				p, err := x.Append(nil, in)
				return session.Reply{Payload: p}, err
			}}
			w := policy.Wrap(f, policy.Retry{}, policy.Hedge{Delay: time.Millisecond})
			got, err := plexus.Call[string](t.Context(), w, "m", "x", plexus.WithCodec(of("ann", "bob")), plexus.WithIdempotent())
			if status.CodeOf(err) != status.CodeOf(fail) || err == nil && got != "x" || f.calls() != 1 {
				t.Errorf("%v: got %q, %v after %d sendings", fail, got, err, f.calls())
			}
		}
	})
}
