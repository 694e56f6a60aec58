// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// A record, the only thing that travels after the handshake:
//
//	u16 length, big-endian │ ciphertext, the last 16 bytes of which are the tag
//	                       └── length bytes, 16 … 65,534
//
// The number of the record in its direction is the nonce. A record without plaintext is
// the goodbye: nothing follows it.
const (
	lengthSize = 2
	tagSize    = 16
	overhead   = lengthSize + tagSize
	// maxPlain is what one record carries at most; two records fill a chunk of 128 KiB.
	maxPlain = 1<<16 - overhead
	// rekeyEvery is after how many records a direction gets a new key: 4 GiB at most under
	// one key, which leaves AES-GCM a margin of 2^-73, and a key that was found opens no
	// more than these.
	rekeyEvery = 1 << 16
	// maxRecords is after how many records a direction ends. At a million a second that
	// is nine years; Noise allows 2^64-2.
	maxRecords = 1 << 48
)

// Errors of a direction. All of them are final.
var (
	errForged    = errors.New("a record was changed on the way, or comes from somebody else")
	errExhausted = errors.New("the connection has carried as many records as it may: make a new one")
	errZeroKey   = errors.New("the key is all zero: it was never generated")
)

// errLength says that a record cannot be one.
func errLength(n int) error {
	return fmt.Errorf("a record of %d bytes was announced, at least %d are needed", n, tagSize)
}

// direction encrypts or decrypts the records of one direction, as CipherState of the Noise
// specification with REKEY after every rekeyEvery records; the number of records goes on
// across a rekey. It belongs to one goroutine.
type direction struct {
	aead  cipher.AEAD
	n     uint64
	nonce [12]byte // 4 bytes zero, then n, big-endian
}

func newDirection(key [32]byte) (*direction, error) {
	d := &direction{}
	return d, d.use(key[:])
}

func (d *direction) use(key []byte) error {
	block, err := aes.NewCipher(key)
	if err == nil {
		d.aead, err = cipher.NewGCM(block)
	}
	return err
}

// next returns the nonce of the present record.
func (d *direction) next() ([]byte, error) {
	if d.n >= maxRecords {
		return nil, errExhausted
	}
	binary.BigEndian.PutUint64(d.nonce[4:], d.n)
	return d.nonce[:], nil
}

// done counts the record, and rekeys: the new key is what encrypting 32 zeros with the
// largest nonce gives.
func (d *direction) done() error {
	if d.n++; d.n%rekeyEvery != 0 {
		return nil
	}
	binary.BigEndian.PutUint64(d.nonce[4:], ^uint64(0))
	var zeros [32]byte
	return d.use(d.aead.Seal(nil, d.nonce[:], zeros[:], nil)[:32])
}

// seal appends the record that carries plain, at most maxPlain bytes, to dst.
func (d *direction) seal(dst, plain []byte) ([]byte, error) {
	nonce, err := d.next()
	if err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(plain)+tagSize))
	dst = d.aead.Seal(dst, nonce, plain, nil)
	return dst, d.done()
}

// open appends the plaintext of a record's ciphertext to dst.
func (d *direction) open(dst, ciphertext []byte) ([]byte, error) {
	nonce, err := d.next()
	if err != nil {
		return dst, err
	}
	plain, err := d.aead.Open(dst, nonce, ciphertext, nil)
	if err != nil {
		return dst, errForged
	}
	return plain, d.done()
}

// cut takes the first record of what was received apart: its ciphertext, nil if more bytes
// are needed, and how many bytes it takes. A length that none can have is an error at
// once.
func cut(received []byte) (ciphertext []byte, size int, err error) {
	if len(received) < lengthSize {
		return nil, 0, nil
	}
	n := int(binary.BigEndian.Uint16(received))
	if n < tagSize {
		return nil, 0, errLength(n)
	}
	if len(received) < lengthSize+n {
		return nil, 0, nil
	}
	return received[lengthSize : lengthSize+n], lengthSize + n, nil
}
