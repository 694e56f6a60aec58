// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/plexus-ipc/plexus/codec"
)

// call is the codec of one call at one of its ends. What follows the request is sealed with
// keys that come from it, one for each direction, so that it belongs to this call and to no
// other; and numbered, so that nothing is left out in the middle, swapped or repeated.
//
//	caller    Append: request, then items         Decode: answers
//	answerer  Decode: request, then items         Append: answers
type call struct {
	c            *Codec
	mine, theirs byte // kinds of what follows

	mu    sync.Mutex
	begun bool
	key   []byte   // of the request
	hash  [32]byte // of the request
	asked opening  // its header
	other keyID    // who asked, at the answering end
	out   *flow
	in    *flow
}

// flow is one direction of a call.
type flow struct {
	aead  cipher.AEAD // nil where nothing is sealed
	salt  [16]byte
	count uint64
}

// ID returns codec.IDSealed.
func (x *call) ID() codec.ID { return codec.IDSealed }

// Name returns "sealed".
func (x *call) Name() string { return "sealed" }

// Exclusive implements codec.Exclusive.
func (x *call) Exclusive() {}

// Append implements codec.Codec.
func (x *call) Append(dst []byte, v any) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	out, err := x.append(dst, v)
	if err != nil {
		return dst, fail(codec.Encode, err)
	}
	return out, nil
}

func (x *call) append(dst []byte, v any) ([]byte, error) {
	if !x.begun {
		if x.mine != kindCaller {
			return nil, ErrOrder
		}
		return x.ask(dst, v)
	}
	if x.out == nil {
		f := &flow{}
		_, _ = rand.Read(f.salt[:]) // never fails
		var err error
		if f.aead, err = x.derive(x.mine, f.salt); err != nil {
			return nil, err
		}
		x.out = f
	}
	plain, err := x.c.encode(nil, v)
	if err != nil {
		return nil, err
	}
	h := follow{x.mine, x.c.cfg.Self.public.id(), x.out.salt, x.out.count}
	header := h.append(nil)
	if plain, err = x.c.cfg.Self.appendSignature(plain, header, x.hash[:]); err != nil {
		return nil, err
	}
	nonce, err := x.out.next()
	if err != nil {
		return nil, err
	}
	dst = append(dst, header...)
	if x.out.aead == nil {
		return append(dst, plain...), nil
	}
	return x.out.aead.Seal(dst, nonce, plain, header), nil
}

// ask appends the request.
func (x *call) ask(dst []byte, v any) ([]byte, error) {
	start := len(dst)
	out, key, err := x.c.compose(dst, kindRequest, v)
	if err != nil {
		return nil, err
	}
	x.begun, x.key, x.hash = true, key, digest(out[start:])
	x.asked = opening{channel: x.c.cfg.Channel, name: x.c.cfg.Name}
	return out, nil
}

// Decode implements codec.Codec.
func (x *call) Decode(data []byte, v any) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.decode(data, v); err != nil {
		return fail(codec.Decode, err)
	}
	return nil
}

func (x *call) decode(data []byte, v any) error {
	if !x.begun {
		if x.mine == kindCaller {
			return ErrOrder
		}
		return x.heed(data, v)
	}
	h, header, body, err := parseFollow(data)
	if err != nil {
		return err
	}
	if h.kind != x.theirs {
		return ErrScope
	}
	who, err := x.from(h.sender)
	if err != nil {
		return err
	}
	if x.in == nil {
		f := &flow{salt: h.salt}
		if f.aead, err = x.derive(x.theirs, h.salt); err != nil {
			return err
		}
		x.in = f
	}
	if h.salt != x.in.salt || h.count != x.in.count {
		return fmt.Errorf("%w: number %d of a stream, due is %d", ErrReplay, h.count, x.in.count)
	}
	nonce, err := x.in.next()
	if err != nil {
		return err
	}
	plain := body
	if x.in.aead != nil {
		if plain, err = x.in.aead.Open(nil, nonce, body, header); err != nil {
			return ErrForged
		}
	}
	if err := who.verify(plain, header, x.hash[:]); err != nil {
		return err
	}
	return x.c.give(plain, v, meta{sender: who.name, channel: x.asked.channel, name: x.asked.name})
}

// heed takes the request.
func (x *call) heed(data []byte, v any) error {
	o, plain, err := x.c.open(data, kindRequest)
	if err != nil {
		return err
	}
	x.begun, x.key, x.hash, x.asked, x.other = true, o.key, digest(data), o.opening, o.sender
	return x.c.give(plain, v, o.meta())
}

// from returns the sender of what follows: who has asked, or one of those who were asked.
func (x *call) from(id keyID) (*peer, error) {
	if x.mine == kindAnswer && id != x.other {
		return nil, ErrSender
	}
	from := x.c.cfg.From
	if from == nil && x.mine == kindCaller && !x.c.cfg.SignOnly {
		from = x.c.cfg.To
	}
	return x.c.sender(id, from)
}

// derive returns what seals a direction, nil if the request was not sealed.
func (x *call) derive(kind byte, salt [16]byte) (cipher.AEAD, error) {
	if x.key == nil {
		return nil, nil
	}
	label := "plexus seal v1 caller"
	if kind == kindAnswer {
		label = "plexus seal v1 answer"
	}
	key, err := hkdf.Key(sha256.New, x.key, salt[:], label+string(x.hash[:]), 32)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

// next returns the nonce of the present message and goes on to the next.
func (f *flow) next() ([]byte, error) {
	if f.count == math.MaxUint64 {
		return nil, ErrOrder
	}
	nonce := make([]byte, 12)
	binary.LittleEndian.PutUint64(nonce[4:], f.count)
	f.count++
	return nonce, nil
}
