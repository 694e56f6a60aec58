// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/subject"
)

// infoLabel begins HPKE's info, signLabel is the context of signatures. They are part of the format.
const (
	infoLabel = "plexus seal v1 info"
	signLabel = "plexus seal v1 signature"
)

// opened is what was read from an opening message whose signature is right.
type opened struct {
	opening
	who *peer
	key []byte // nil of a message that is not sealed
}

func (o *opened) meta() meta {
	return meta{o.who.name, o.channel, o.name, time.Unix(0, o.time)}
}

// compose appends an opening message that carries v. It returns the key that the body is
// sealed with, nil if it is not.
func (c *Codec) compose(dst []byte, kind byte, v any) (out, key []byte, err error) {
	to, err := c.receivers()
	if err != nil {
		return dst, nil, err
	}
	plain, err := c.encode(nil, v)
	if err != nil {
		return dst, nil, err
	}
	o := opening{
		kind: kind, sender: c.cfg.Self.public.id(), epoch: c.epoch, count: c.count.Add(1), time: c.cfg.Now().UnixNano(),
		channel: c.cfg.Channel, name: c.cfg.Name,
	}
	scope := o.appendScope(nil, len(to))
	header := slices.Clone(scope)
	if len(to) > 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	for _, p := range to {
		if header, err = appendReceiver(header, scope, p, key); err != nil {
			return dst, nil, err
		}
	}
	if plain, err = c.cfg.Self.appendSignature(plain, header, nil); err != nil {
		return dst, nil, err
	}
	dst = append(dst, header...)
	if key == nil {
		return append(dst, plain...), nil, nil
	}
	aead, err := newAEAD(key)
	if err != nil {
		return dst, nil, err
	}
	return aead.Seal(dst, make([]byte, 12), plain, header), key, nil
}

// receivers are the keys to seal to, none if the message is only signed.
func (c *Codec) receivers() ([]*peer, error) {
	if !subjectName(c.cfg.Name) {
		return nil, fmt.Errorf("%w: %s is a pattern, and messages are made for a name", ErrScope, c.cfg.Name)
	}
	if c.cfg.SignOnly {
		return nil, nil
	}
	to, err := c.cfg.Ring.of(c.cfg.To)
	if err == nil && len(to) == 0 {
		err = fmt.Errorf("%w: Config.To is empty", ErrUnknown)
	}
	return to, err
}

func subjectName(s string) bool { return subject.ValidateMethod(s) == nil }

// appendReceiver wraps the key for one receiver.
func appendReceiver(dst, scope []byte, p *peer, key []byte) ([]byte, error) {
	enc, s, err := hpke.NewSender(p.box, hpke.HKDFSHA256(), hpke.AES256GCM(), info(scope))
	if err != nil {
		return dst, err
	}
	wrapped, err := s.Seal(p.id[:], key)
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, p.id[:]...), byte(p.public.suite))
	return append(append(dst, enc...), wrapped...), nil
}

func info(scope []byte) []byte { return append([]byte(infoLabel), scope...) }

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// open takes an opening message that this side may take, and returns what it carries with
// the signature, which is right. The message has not come before.
func (c *Codec) open(data []byte, kind byte) (o opened, plain []byte, err error) {
	var scope, header, body []byte
	if o.opening, scope, header, body, err = parseOpening(data); err != nil {
		return o, nil, err
	}
	now := c.cfg.Now().UnixNano()
	if err := c.fits(&o, kind, now); err != nil {
		return o, nil, err
	}
	if o.who, err = c.sender(o.sender, c.cfg.From); err != nil {
		return o, nil, err
	}
	plain = body
	if len(o.receivers) > 0 {
		if o.key, plain, err = c.unseal(&o, scope, header, body); err != nil {
			return o, nil, err
		}
	}
	if err := o.who.verify(plain, header, nil); err != nil {
		return o, nil, err
	}
	return o, plain, c.seen.admit(origin{o.sender, o.epoch}, o.count, o.time, now, c.cfg.Window)
}

// fits judges what a message says of itself.
func (c *Codec) fits(o *opened, kind byte, now int64) error {
	window := int64(c.cfg.Window)
	switch {
	case o.kind != kind, o.channel != c.cfg.Channel, !subjectName(o.name), !subject.Match(c.cfg.Name, o.name):
		return fmt.Errorf("%w: %s", ErrScope, &o.opening)
	case len(o.receivers) == 0 && !c.cfg.SignOnly:
		return ErrPlain
	case o.time < now-window, o.time > now+window:
		return ErrStale
	}
	return nil
}

// sender returns who has a key, if it may send.
func (c *Codec) sender(id keyID, from []string) (*peer, error) {
	who := c.cfg.Ring.find(id)
	switch {
	case who == nil:
		return nil, ErrUnknown
	case from != nil && !slices.Contains(from, who.name):
		return nil, fmt.Errorf("%w: %s", ErrSender, who.name)
	}
	return who, nil
}

// unseal opens the body with the key that is wrapped for this side.
func (c *Codec) unseal(o *opened, scope, header, body []byte) (key, plain []byte, err error) {
	for _, r := range o.receivers {
		me := c.mine[r.id]
		if me == nil || me.suite != r.suite {
			continue
		}
		rec, err := hpke.NewRecipient(r.enc, me.box, hpke.HKDFSHA256(), hpke.AES256GCM(), info(scope))
		if err != nil {
			return nil, nil, ErrForged
		}
		if key, err = rec.Open(r.id[:], r.wrapped); err != nil || len(key) != 32 {
			return nil, nil, ErrForged
		}
		aead, err := newAEAD(key)
		if err != nil {
			return nil, nil, err
		}
		if plain, err = aead.Open(nil, make([]byte, 12), body, header); err != nil {
			return nil, nil, ErrForged
		}
		return key, plain, nil
	}
	return nil, nil, ErrNotForMe
}

// toSign is the hash of what a signature covers: the header, the opening message of the call
// if this is not it, codec and payload.
func toSign(header, opening, plain []byte) []byte {
	h := sha512.New()
	h.Write(header)
	h.Write(opening)
	h.Write(plain)
	return h.Sum(nil)
}

var signOptions = &ed25519.Options{Hash: crypto.SHA512, Context: signLabel}

// appendSignature appends the signature of plain, under this header, to it.
func (id *Identity) appendSignature(plain, header, opening []byte) ([]byte, error) {
	sig, err := id.sign.Sign(nil, toSign(header, opening, plain), signOptions)
	return append(plain, sig...), err
}

// verify checks the signature at the end of plain.
func (p *peer) verify(plain, header, opening []byte) error {
	n := len(plain) - signatureSize
	if n < 1 {
		return ErrFormat
	}
	if ed25519.VerifyWithOptions(p.public.verifyKey(), toSign(header, opening, plain[:n]), plain[n:], signOptions) != nil {
		return ErrForged
	}
	return nil
}
