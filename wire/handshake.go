// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// MaxHandshake is the most that a side may send before it is authenticated, in bytes,
// frames of all kinds together.
const MaxHandshake = 64 << 10

// maxDepth is how deep JSON in the handshake may nest.
const maxDepth = 8

// Hello is the JSON body of HELLO.
type Hello struct {
	Product   string            `json:"product,omitempty"`      // name/version, for people
	ID        string            `json:"id,omitempty"`           // wanted member id; from the server: the server's
	Instance  string            `json:"instance"`               // 128 bits in hex, new for each process or client value
	Epoch     uint64            `json:"epoch,omitempty"`        // counts the sessions of an instance
	Resume    string            `json:"resume,omitempty"`       // reserved: proof that an older session is superseded
	Nonce     string            `json:"nonce"`                  // 256 bits in hex, new for each connection
	Auth      []string          `json:"auth,omitempty"`         // mechanisms: offered (server), at hand (client), best first
	Limits    Limits            `json:"limits"`                 // what this side takes
	Codecs    []string          `json:"codecs,omitempty"`       // names of codecs at hand, for people and tools
	Features  []string          `json:"features,omitempty"`     // optional parts of the protocol
	Upgrades  []string          `json:"upgrades,omitempty"`     // offered (server), wanted (client), best first
	Metadata  map[string]string `json:"metadata,omitempty"`     // claims: what the side says about itself, unproved
	Heartbeat uint32            `json:"heartbeat_ms,omitempty"` // pings come after this much silence, 0 for none
}

// Limits is what a side of a session takes from the other.
type Limits struct {
	Message uint64 `json:"message"` // longest message, payload bytes
	Calls   uint32 `json:"calls"`   // calls and streams open at a time
	Routes  uint32 `json:"routes"`  // routes bound at a time; route numbers are 1 to this
	Stream  uint64 `json:"stream"`  // initial credit of each stream
	Route   uint64 `json:"route"`   // initial credit of each event, broadcast and topic route
}

// Auth is the JSON body of AUTH. The client speaks first and names the mechanism; then
// the sides take turns until the server says done.
type Auth struct {
	Mechanism string `json:"mechanism,omitempty"` // in the client's first
	Data      []byte `json:"data,omitempty"`      // the mechanism's own bytes, in base64
	Done      bool   `json:"done,omitempty"`      // from the server: the session begins
	ID        string `json:"id,omitempty"`        // with done: the id the server gave this session
	Identity  string `json:"identity,omitempty"`  // with done: whom the server takes the client for
}

// Upgrade is the JSON body of UPGRADE. The client offers, the server answers with the
// same name, or an empty one and a reason.
type Upgrade struct {
	Name   string `json:"name,omitempty"`
	Data   []byte `json:"data,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// AppendJSON appends the JSON of a handshake body.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// ParseJSON parses the JSON body of a handshake frame into v, which is a *Hello, *Auth or
// *Upgrade. Unknown fields are ignored; nesting deeper than 8 and bytes after the value
// are errors.
func ParseJSON(p []byte, v any) error {
	if len(p) > MaxHandshake {
		return fmt.Errorf("wire: handshake body of %d bytes, allowed are %d", len(p), MaxHandshake)
	}
	if d := depth(p); d > maxDepth {
		return fmt.Errorf("wire: handshake body nests deeper than %d", maxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(p))
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("wire: handshake body: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return ErrTrailing
	}
	return nil
}

// depth returns how deep the brackets outside strings nest.
func depth(p []byte) (deepest int) {
	open, inString, escaped := 0, false, false
	for _, c := range p {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			open++
			deepest = max(deepest, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return deepest
}
