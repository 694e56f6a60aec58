// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/binary"
	"slices"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// Holder is the mechanism "token" of the client.
type Holder struct {
	current func() (*Token, error)
}

// Hold returns the mechanism of who has a token.
func Hold(t *Token) *Holder { return HoldFrom(func() (*Token, error) { return t, nil }) }

// HoldFrom returns the mechanism of who asks for its token each time it connects, as of a
// file that somebody renews. current may be called from any goroutine.
func HoldFrom(current func() (*Token, error)) *Holder { return &Holder{current} }

// Name returns "token".
func (h *Holder) Name() string { return auth.NameToken }

// Client returns the exchange that proves a token.
func (h *Holder) Client(b auth.Binding) auth.Exchange {
	x := &exchange{other: auth.Identity{Mechanism: auth.NameToken, Name: "anonymous", UID: -1, GID: -1, RemoteAddress: b.Peer.RemoteAddress}}
	if p := b.Peer; p.HasCredentials {
		x.other.UID, x.other.GID, x.other.PID, x.other.SID, x.other.HasCredentials = p.UID, p.GID, p.PID, p.SID, true
	}
	x.step = func(in []byte) ([]byte, error) {
		if len(in) > 0 {
			return nil, status.Errorf(status.Protocol, "%d bytes of authentication where none belong", len(in))
		}
		return h.prove(b.Transcript)
	}
	// The server's answer, which is empty, comes after this side is done.
	return x
}

func (h *Holder) prove(transcript [32]byte) ([]byte, error) {
	if transcript == [32]byte{} {
		return nil, status.Errorf(status.Internal, "no transcript to bind the proof to")
	}
	t, err := h.current()
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.AppendUint16(nil, uint16(len(t.chain.raw)))
	return slices.Concat(size, t.chain.raw, t.proof(transcript)), nil
}

// Server returns an exchange that fails: a Holder trusts nobody.
func (h *Holder) Server(auth.Binding) auth.Exchange {
	return refusal("this side has a token and trusts no issuer of any")
}

// exchange is a side of one step.
type exchange struct {
	step  func(in []byte) ([]byte, error)
	other auth.Identity // what Identity returns once done
	done  bool
	err   error // why it failed; it stays failed
}

func refusal(why string) *exchange {
	return &exchange{step: func([]byte) ([]byte, error) { return nil, status.Errorf(status.Internal, "%s", why) }}
}

// Step implements auth.Exchange.
func (x *exchange) Step(in []byte) (out []byte, done bool, err error) {
	switch {
	case x.err != nil:
	case x.done:
		x.err = status.Errorf(status.Protocol, "authentication message after the end of the exchange")
	case len(in) > auth.MaxStep:
		x.err = status.Errorf(status.Protocol, "authentication message of %d bytes, allowed are %d", len(in), auth.MaxStep)
	default:
		out, x.err = x.step(in)
	}
	if x.err != nil {
		return nil, false, x.err
	}
	x.done = true
	return out, true, nil
}

// Identity implements auth.Exchange.
func (x *exchange) Identity() auth.Identity {
	if !x.done || x.err != nil {
		return auth.Identity{UID: -1, GID: -1}
	}
	return x.other
}
