// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// MaxRevoked is the length of the longest list of what was revoked, in bytes.
const MaxRevoked = 8 << 20

// Revoked is what tokens are good no more. The zero value revokes nothing.
type Revoked struct {
	// IDs are tokens: each with all that was narrowed from it.
	IDs []ID `json:"ids,omitempty"`
	// Issuers are issuers all of whose tokens are revoked.
	Issuers []PublicKey `json:"issuers,omitempty"`
	// Before revokes what was issued before it, by any issuer.
	Before time.Time `json:"issued_before,omitzero"`
}

// ParseRevoked reads a list: one JSON object with the members "ids", "issuers" and
// "issued_before" (RFC 3339). Others are an error, for a list that is half understood
// revokes half.
func ParseRevoked(list []byte) (r Revoked, err error) {
	if len(list) > MaxRevoked {
		return r, status.Errorf(status.InvalidArgument, "the list of revoked tokens is longer than %d bytes", MaxRevoked)
	}
	d := json.NewDecoder(bytes.NewReader(list))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Revoked{}, status.Errorf(status.InvalidArgument, "the list of revoked tokens: line %d: %w", 1+bytes.Count(list[:min(int(d.InputOffset()), len(list))], []byte("\n")), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Revoked{}, status.Errorf(status.InvalidArgument, "the list of revoked tokens: something follows after its end")
	}
	for _, id := range r.IDs {
		if b, err := hex.DecodeString(string(id)); err != nil || len(b) != 16 || hex.EncodeToString(b) != string(id) {
			return Revoked{}, status.Errorf(status.InvalidArgument, "the list of revoked tokens: %.40q is not the id of a token: it is 32 lower-case hex digits", id)
		}
	}
	return r, nil
}

// MarshalText implements encoding.TextMarshaler.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}
