// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/status"
)

// A token says who a client is and what it may do; its holder narrows it for a helper.
func Example_token() {
	issuer, err := token.NewIssuer() // somewhere safe; the hub has issuer.Public() only
	fatal(err)
	alice, err := issuer.Issue("alice", token.Terms{
		NotAfter: time.Now().Add(24 * time.Hour),
		Rights:   []auth.Right{{Verbs: []auth.Verb{auth.VerbCall, auth.VerbSubscribe}, Channel: "math"}},
	}, time.Now())
	fatal(err)
	helper, err := alice.Attenuate(token.Terms{ // offline: the issuer is not asked
		NotAfter: time.Now().Add(10 * time.Minute),
		Rights:   []auth.Right{{Verbs: []auth.Verb{auth.VerbCall}, Channel: "math", Name: "add"}},
	})
	fatal(err)

	trust := token.Trust{Issuers: []token.PublicKey{issuer.Public()}}
	verifier := token.NewVerifier(trust)
	srv, err := plexus.Listen("tcp://127.0.0.1:0", &plexus.ListenOptions{Tokens: verifier})
	fatal(err)
	defer srv.Close()
	ctx := context.Background()

	_, err = plexus.Dial(ctx, srv.Endpoints()[0], nil)
	fmt.Println(status.CodeOf(err))
	c, err := plexus.Dial(ctx, srv.Endpoints()[0], &plexus.DialOptions{Token: token.Hold(helper)})
	fatal(err)
	defer c.Close()
	fmt.Println(srv.Peers()[0].Conversation().Peer().Identity.Name)

	_, err = alice.Attenuate(token.Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"*"}}}})
	fmt.Println(status.CodeOf(err))

	trust.Revoked.IDs = alice.Claims().IDs // and all that was narrowed from it
	fmt.Println(verifier.SetTrust(trust), "session ended")
	<-c.Done()
	fmt.Println(status.CodeOf(c.Err()))
	// Output:
	// unauthenticated
	// token:alice
	// invalid_argument
	// 1 session ended
	// unauthenticated
}
