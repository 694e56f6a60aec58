// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"fmt"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

var errorf = fmt.Errorf

// Test runs the whole suite.
func Test(t *testing.T, f Factory) {
	t.Run("abilities", func(t *testing.T) { testAbilities(t, &f) })
	testFrames(t, &f)
	testTrySend(t, &f)
	testReady(t, &f)
	testBatch(t, &f)
	testInterrupt(t, &f)
	testPoll(t, &f)
	testPart(t, &f)
	testLend(t, &f)
	testDetach(t, &f)
	testClose(t, &f)
	testRaw(t, &f)
	testEcho(t, &f)
	testAllocations(t, &f)
	testListener(t, &f)
}

// testAbilities compares what a Conn offers with what is declared.
func testAbilities(t *testing.T, f *Factory) {
	a, b := f.pair(t)
	for _, c := range []transport.Conn{a, b} {
		for _, x := range offered(c) {
			if f.has(x.ability) != x.ok {
				t.Errorf("%T: ability %s: offered %v, declared %v", c, x.ability, x.ok, f.has(x.ability))
			}
		}
		testVouched(t, c)
	}
	for _, x := range offered(Bare(a)) {
		if x.ok {
			t.Errorf("Bare offers %s", x.ability)
		}
	}
}

// offer is whether a Conn has an ability.
type offer struct {
	ability Ability
	ok      bool
}

func offered(c transport.Conn) []offer {
	_, try := c.(transport.TrySender)
	_, ready := c.(transport.Readier)
	_, several := c.(transport.Batcher)
	_, interrupt := c.(transport.Interrupter)
	_, cred := c.(transport.Credentialer)
	_, binder := c.(transport.Binder)
	_, cert := c.(transport.Certifier)
	_, named := c.(transport.Namer)
	_, addr := c.(transport.Addresser)
	_, up := c.(transport.Upgrader)
	_, detach := c.(transport.Detacher)
	_, poll := c.(transport.Crowder)
	_, lend := c.(transport.Lender)
	_, part := c.(transport.PartWaiter)
	return []offer{
		{TrySend, try}, {Ready, ready}, {Batch, several}, {Interrupt, interrupt}, {Credentials, cred},
		{ChannelBinding, binder}, {Certificates, cert}, {Name, named}, {RemoteAddress, addr},
		{Upgrade, up}, {Detach, detach}, {Poll, poll}, {Lend, lend}, {PartWait, part},
	}
}

// testVouched looks at what the operating system or TLS says of the peer.
func testVouched(t *testing.T, c transport.Conn) {
	if cr, ok := c.(transport.Credentialer); ok {
		got, err := cr.PeerCredentials()
		t.Logf("%T: credentials %+v, %v", c, got, err)
		if err != nil && got.UID != -1 {
			t.Errorf("%T: credentials %+v come with an error", c, got)
		}
	}
	if bi, ok := c.(transport.Binder); ok {
		if key, err := bi.ChannelBinding(); err != nil || len(key) < 32 {
			t.Errorf("%T: channel binding of %d bytes, %v", c, len(key), err)
		}
	}
}

// lacks logs what cannot be tested, because the factory says so.
func lacks(t *testing.T, test, why string) {
	t.Run(test, func(t *testing.T) { t.Logf("not applicable: %s", why) })
}
