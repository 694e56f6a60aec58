// SPDX-License-Identifier: Apache-2.0

package seal

import "errors"

// Why a message is refused. All but ErrUnknown mean that it is not taken, whoever sent it.
var (
	// ErrFormat: it is no sealed message, or one that was cut.
	ErrFormat = errors.New("seal: this is no sealed message")
	// ErrUnknown: there is no key of that name, or the sender's is not in the ring.
	ErrUnknown = errors.New("seal: there is no key of that one in the ring")
	// ErrSender: the sender is known and not among those from whom this is taken.
	ErrSender = errors.New("seal: this sender may not send this")
	// ErrNotForMe: it is sealed to others.
	ErrNotForMe = errors.New("seal: the message is sealed to others")
	// ErrForged: it was changed on the way, or the signature is somebody else's.
	ErrForged = errors.New("seal: the message was changed, or its signature is wrong")
	// ErrScope: it was made for another channel, name or call.
	ErrScope = errors.New("seal: the message was made for something else")
	// ErrReplay: it came before, or so late that this cannot be told.
	ErrReplay = errors.New("seal: the message came before")
	// ErrStale: its time is too far from now.
	ErrStale = errors.New("seal: the message is too old, or from the future: compare the clocks")
	// ErrPlain: it is signed and not sealed, where sealing was agreed on.
	ErrPlain = errors.New("seal: the message is not sealed")
	// ErrCrowded: too many senders began at the same time.
	ErrCrowded = errors.New("seal: too many senders to remember")
	// ErrOrder: a codec of a call is used out of turn, such as an answer before its request.
	ErrOrder = errors.New("seal: nothing has begun this call yet")
)
