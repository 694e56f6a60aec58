// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/subject"
)

// DefaultWindow is how far the time of a message may be from now if nothing else is said.
const DefaultWindow = 2 * time.Minute

// Config says who speaks with whom about what.
type Config struct {
	// Self is the own Identity. Previous are those that it has replaced: what is sealed to
	// them is still opened.
	Self     *Identity
	Previous []*Identity
	// Ring has the keys of the others.
	Ring *Ring
	// Channel and Name are those of the method, topic or event. What was made for another is
	// not taken. For a receiver Name may be a pattern, and Signed.Name tells the name.
	Channel, Name string
	// To are the names of those to whom messages are sealed, at most 64 keys together. Who only
	// receives, or only answers, needs none: an answer goes to who has asked.
	To []string
	// From are the names of those from whom messages are taken; nil for all in the Ring, and for a
	// caller those in To.
	From []string
	// Window is how far the time of a message may be from now, either way, 0 for
	// DefaultWindow: older ones are refused, and it is as long that repetitions are known.
	// A topic that keeps publications for later needs a longer one.
	Window time.Duration
	// Inner encodes the values, nil for codec.JSON{}.
	Inner codec.Codec
	// SignOnly leaves the payload in the clear: it is signed only, and such messages are taken, too.
	SignOnly bool
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// Codec signs and seals: see the package comment. It implements codec.Dialogue and is safe
// for concurrent use. It remembers what came, so that nothing comes twice: a receiver has one Codec for
// each subscription, handler or listener, for as long as these last.
type Codec struct {
	cfg   Config
	mine  map[keyID]*Identity
	epoch [16]byte
	count atomic.Uint64
	seen  seen
}

var _ codec.Dialogue = (*Codec)(nil)

// New returns a Codec. The error says what is missing; that somebody in To or From has no
// key is told when it matters, because the Ring may change.
func New(cfg Config) (*Codec, error) {
	switch {
	case cfg.Self == nil:
		return nil, errors.New("seal: Config.Self is missing")
	case cfg.Ring == nil:
		return nil, errors.New("seal: Config.Ring is missing")
	case cfg.Channel != "" && subject.ValidateChannel(cfg.Channel) != nil:
		return nil, fmt.Errorf("seal: %w", subject.ValidateChannel(cfg.Channel))
	case subject.ValidatePattern(cfg.Name) != nil:
		return nil, fmt.Errorf("seal: %w", subject.ValidatePattern(cfg.Name))
	case cfg.Window < 0:
		return nil, errors.New("seal: Config.Window is negative")
	}
	if cfg.Inner == nil {
		cfg.Inner = codec.JSON{}
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.To, cfg.From = slices.Clone(cfg.To), slices.Clone(cfg.From)
	c := &Codec{cfg: cfg, mine: map[keyID]*Identity{cfg.Self.public.id(): cfg.Self}}
	for _, old := range cfg.Previous {
		c.mine[old.public.id()] = old
	}
	_, _ = rand.Read(c.epoch[:]) // never fails
	return c, nil
}

// ID returns codec.IDSealed.
func (c *Codec) ID() codec.ID { return codec.IDSealed }

// Name returns "sealed".
func (c *Codec) Name() string { return "sealed" }

// Exclusive implements codec.Exclusive.
func (c *Codec) Exclusive() {}

// Append implements codec.Codec for a message that has no answer: a publication or event.
func (c *Codec) Append(dst []byte, v any) ([]byte, error) {
	out, _, err := c.compose(dst, kindMessage, v)
	if err != nil {
		return dst, fail(codec.Encode, err)
	}
	return out, nil
}

// Decode implements codec.Codec for such a message. v may point to a Signed.
func (c *Codec) Decode(data []byte, v any) error {
	o, plain, err := c.open(data, kindMessage)
	if err == nil {
		err = c.give(plain, v, o.meta())
	}
	if err != nil {
		return fail(codec.Decode, err)
	}
	return nil
}

// Begin implements codec.Dialogue.
func (c *Codec) Begin() codec.Codec { return &call{c: c, mine: kindCaller, theirs: kindAnswer} }

// Answer implements codec.Dialogue.
func (c *Codec) Answer() codec.Codec { return &call{c: c, mine: kindAnswer, theirs: kindCaller} }

// fail gives an error the form that package codec promises.
func fail(op codec.Op, err error) error {
	var e *codec.Error
	if errors.As(err, &e) && e.Codec != "sealed" {
		return &codec.Error{Codec: "sealed", Op: op, Reason: e.Reason, Err: err}
	}
	reason := codec.Malformed
	if op == codec.Encode {
		reason = codec.Unsupported
	}
	return &codec.Error{Codec: "sealed", Op: op, Reason: reason, Err: err}
}

// Signed is a value with who has signed it: a handler, subscriber or caller that takes a
// Signed[T] instead of a T is told. Sending one sends its Value.
type Signed[T any] struct {
	Value T
	// Sender is the name that the Ring has for who signed.
	Sender string
	// Channel and Name are what it was signed for; of an answer those of its request.
	Channel, Name string
	// Time is when the sender says that it was made; zero within a call but for its request.
	Time time.Time
}

// meta is what a Signed holds besides its value.
type meta struct {
	sender, channel, name string
	time                  time.Time
}

// signed is what every *Signed[T] offers.
type signed interface {
	set(inner codec.Codec, payload []byte, m meta) error
	value() any
}

func (s *Signed[T]) set(inner codec.Codec, payload []byte, m meta) error {
	s.Sender, s.Channel, s.Name, s.Time = m.sender, m.channel, m.name, m.time
	return inner.Decode(payload, &s.Value)
}

func (s *Signed[T]) value() any { return &s.Value }

// encode appends the codec's number and the payload of v.
func (c *Codec) encode(dst []byte, v any) ([]byte, error) {
	if s, ok := v.(signed); ok {
		v = s.value()
	}
	return c.cfg.Inner.Append(append(dst, byte(c.cfg.Inner.ID())), v)
}

// give stores what was opened in v: codec, payload, signature, the last of which was checked.
func (c *Codec) give(plain []byte, v any, m meta) error {
	id, payload, _, err := splitBody(plain)
	if err != nil {
		return err
	}
	if codec.ID(id) != c.cfg.Inner.ID() {
		return fmt.Errorf("%w: the value in it is in codec %d, not in %s", ErrFormat, id, c.cfg.Inner.Name())
	}
	if s, ok := v.(signed); ok {
		return s.set(c.cfg.Inner, payload, m)
	}
	return c.cfg.Inner.Decode(payload, v)
}
