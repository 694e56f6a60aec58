// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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
// "issued_before" (RFC 3339). Others are an error, and so are one that stands there twice and
// null, for a list that is half understood revokes half.
func ParseRevoked(list []byte) (r Revoked, err error) {
	if len(list) > MaxRevoked {
		return r, status.Errorf(status.InvalidArgument, "the list of revoked tokens is longer than %d bytes", MaxRevoked)
	}
	d := json.NewDecoder(bytes.NewReader(list))
	if err := r.read(d); err != nil {
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
	if slices.Contains(r.Issuers, PublicKey{}) { // what null becomes
		return Revoked{}, status.Errorf(status.InvalidArgument, "the list of revoked tokens: an issuer is no key")
	}
	return r, nil
}

// read reads the object member by member: package json takes the last of two that have one name,
// and names in any case.
func (r *Revoked) read(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return cmp.Or(err, errors.New("it is no object"))
	}
	members := map[string]any{"ids": &r.IDs, "issuers": &r.Issuers, "issued_before": &r.Before}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // of an object: nothing else gets through
		into := members[name]
		if into == nil {
			return fmt.Errorf("%.40q stands there twice, or is no member of a list: it has ids, issuers and issued_before", name)
		}
		delete(members, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if string(value) == "null" {
			return fmt.Errorf("%s is null: leave it out, or say which", name)
		}
		if err := json.Unmarshal(value, into); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}
