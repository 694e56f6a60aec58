// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/plexus-ipc/plexus/wire"
)

// A stored Record, all numbers little-endian, strings and bytes after their length:
//
//	"PXD1" · u64 id · i64 time, ns since 1970 · u8 codec · u8 priority · uvarint attempts
//	kind · channel · name · sender · identity · receiver · reason · headers (as in a frame) · payload
//	u32 CRC-32C of all before
const (
	recordMagic = "PXD1"
	recordHead  = len(recordMagic) + 8 + 8 + 2
	recordTail  = 4
)

// maxText is the longest name, id or reason in a record: more than any that a hub takes.
const maxText = 4 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged is what Parse returns for bytes that are no Record, or not that which was stored.
var ErrDamaged = errors.New("the dead letter is damaged")

// Append appends the stored form of r. Texts that are too long are cut.
func (r *Record) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, recordMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, r.ID)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Time.UnixNano()))
	dst = append(dst, r.Codec, r.Priority)
	dst = binary.AppendUvarint(dst, uint64(max(r.Attempts, 0)))
	for _, s := range []string{r.Kind, r.Channel, r.Name, r.Sender.ID, r.Sender.Identity, r.Receiver, r.Reason} {
		dst = appendBytes(dst, s[:min(len(s), maxText)])
	}
	headers, ok := wire.AppendHeaders(nil, r.Headers)
	if !ok {
		headers = nil // they cannot have come in a frame
	}
	dst = appendBytes(dst, headers)
	dst = appendBytes(dst, r.Payload)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func appendBytes[B string | []byte](dst []byte, b B) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// Parse returns the Record that b, all of it, is the stored form of. Its Payload points into b.
// The error is ErrDamaged.
func Parse(b []byte) (r Record, err error) {
	if len(b) < recordHead+recordTail || string(b[:len(recordMagic)]) != recordMagic {
		return r, ErrDamaged
	}
	body, sum := b[:len(b)-recordTail], binary.LittleEndian.Uint32(b[len(b)-recordTail:])
	if crc32.Checksum(body, castagnoli) != sum {
		return r, ErrDamaged
	}
	at := body[len(recordMagic):]
	r.ID = binary.LittleEndian.Uint64(at)
	r.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(at[8:]))).UTC()
	r.Codec, r.Priority = at[16], at[17]
	in := reader{b: body[recordHead:]}
	r.Attempts = int(min(in.number(), math.MaxInt32))
	for _, s := range []*string{&r.Kind, &r.Channel, &r.Name, &r.Sender.ID, &r.Sender.Identity, &r.Receiver, &r.Reason} {
		*s = string(in.bytes(maxText))
	}
	headers := in.bytes(wire.MaxExtensions)
	r.Payload = in.bytes(math.MaxInt)
	if in.bad || len(in.b) > 0 {
		return Record{}, ErrDamaged
	}
	if len(headers) > 0 {
		if r.Headers, err = wire.ParseHeaders(nil, headers); err != nil {
			return Record{}, ErrDamaged
		}
	}
	return r, nil
}

// reader takes a record apart. After something that is not there it is bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(most int) []byte {
	n := r.number()
	if n > uint64(len(r.b)) || n > uint64(most) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}
