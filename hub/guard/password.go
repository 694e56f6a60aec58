// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"encoding/json"
	"time"

	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Locked is what a session is told, whatever it asks for, that has not given a channel's password.
func Locked(channel string) *status.Error {
	return status.Errorf(status.Locked, "channel %s has a password: unlock it first", channel)
}

// Unlocking judges the form of a request to unlock.
func Unlocking(in *operation.Unlocking) error {
	if err := subject.ValidateChannel(in.Channel); err != nil {
		return invalid(err)
	}
	return invalid(scram.CheckNonce(in.Nonce))
}

// Protection judges the form of a request to set a password, and returns the verifier, nil for none.
func Protection(in *operation.Protection) (*scram.Verifier, error) {
	if err := subject.ValidateChannel(in.Channel); err != nil {
		return nil, invalid(err)
	}
	if in.Verifier == nil {
		return nil, nil
	}
	v := scram.Verifier(*in.Verifier)
	return &v, invalid(v.Check())
}

// Wrong is the answer to a proof that does not fit, the same whether the channel has another
// password, has none or does not exist. wait is how long the next try has to wait.
func Wrong(channel string, wait time.Duration) *status.Error {
	e := status.Errorf(status.Unauthenticated, "this is not the password of channel %s, or it has none", channel)
	return later(e, wait)
}

// TooMany is the answer to a try that comes too early.
func TooMany(wait time.Duration) *status.Error {
	e := status.Errorf(status.LimitExceeded, "too many wrong passwords were tried: try again in %v", wait.Round(time.Second/10))
	return later(e, wait)
}

// Banned is the answer to a member who was removed from a channel and wants to come back.
func Banned(channel string, wait time.Duration) *status.Error {
	e := status.Errorf(status.Evicted, "the owner has removed this session from channel %s: it may come back in %v", channel, wait.Round(time.Second))
	return later(e, wait)
}

func later(e *status.Error, wait time.Duration) *status.Error {
	if wait > 0 {
		e.Details, _ = json.Marshal(operation.Backoff{RetryAfter: wait.Seconds()}) // never fails
	}
	return e
}
