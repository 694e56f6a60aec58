// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"encoding/json"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/wire"
)

// Sender is who sent a message. It is never changed.
type Sender struct{ ID, Identity string }

// Record is a message that was kept because a receiver missed it: all that is needed to tell
// of it and to send it again.
type Record struct {
	ID       uint64    // given by the Store
	Time     time.Time // when it was missed
	Kind     string    // operation.KindPublication …
	Channel  string
	Name     string
	Sender   Sender
	Receiver string // the id of the member that missed it, "" if there was none
	Reason   string
	Attempts int
	Codec    uint8
	Priority uint8
	Headers  []wire.Pair
	Payload  []byte
}

// recordCost is what a Record takes besides its bytes.
const recordCost = 256

// Size returns about how many bytes of memory a Record takes.
func (r *Record) Size() int {
	n := recordCost + len(r.Payload)
	for _, p := range r.Headers {
		n += len(p.Key) + len(p.Value) + 32
	}
	return n
}

// codecJSON is codec.IDJSON.
const codecJSON = 1

// Tell returns what operations tell of r, with the payload if that is asked for.
func (r *Record) Tell(payload bool) operation.DeadLetter {
	d := operation.DeadLetter{
		ID: r.ID, Time: r.Time.UTC(), Kind: r.Kind, Channel: r.Channel, Name: r.Name, Sender: r.Sender.ID, Identity: r.Sender.Identity,
		Receiver: r.Receiver, Reason: r.Reason, Attempts: r.Attempts, Codec: r.Codec, Size: len(r.Payload),
	}
	if len(r.Headers) > 0 {
		d.Headers = make(map[string]string, len(r.Headers))
		for _, p := range r.Headers {
			d.Headers[p.Key] = p.Value
		}
	}
	switch {
	case !payload:
	case r.Codec == codecJSON && json.Valid(r.Payload):
		d.Value = append(json.RawMessage(nil), r.Payload...)
	default:
		d.Data = append([]byte(nil), r.Payload...)
	}
	return d
}
