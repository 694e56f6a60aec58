// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is some people who know each other, and a clock.
type world struct {
	t    testing.TB
	ids  map[string]*Identity
	ring *Ring
	now  time.Time
}

func newWorld(t testing.TB, s Suite, names ...string) *world {
	t.Helper()
	w := &world{t: t, ids: make(map[string]*Identity), ring: NewRing(), now: time.Unix(1_800_000_000, 0)}
	for _, n := range names {
		id, err := Generate(s)
		check(t, err)
		w.ids[n] = id
		check(t, w.ring.Add(n, id.Public()))
	}
	return w
}

// codec returns the Codec of one of them for room/add.
func (w *world) codec(self string, tune func(*Config)) *Codec {
	w.t.Helper()
	cfg := Config{Self: w.ids[self], Ring: w.ring, Channel: "room", Name: "add", Now: func() time.Time { return w.now }}
	if tune != nil {
		tune(&cfg)
	}
	c, err := New(cfg)
	check(w.t, err)
	return c
}

func to(names ...string) func(*Config) { return func(c *Config) { c.To = names } }

func appendOne(t testing.TB, c codec.Codec, v any) []byte {
	t.Helper()
	b, err := c.Append(nil, v)
	check(t, err)
	return b
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	var e *codec.Error
	if !errors.Is(err, want) || !errors.As(err, &e) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Who it is sealed to reads it and learns who sent it; nobody else reads it.
func TestMessage(t *testing.T) {
	for _, s := range []Suite{X25519, Hybrid} {
		w := newWorld(t, s, "ann", "bob", "eve", "carol")
		b := appendOne(t, w.codec("ann", to("bob", "carol")), "buried treasure")
		if bytes.Contains(b, []byte("treasure")) {
			t.Error("the payload can be read")
		}
		for _, who := range []string{"bob", "carol"} {
			var got Signed[string]
			check(t, w.codec(who, nil).Decode(b, &got))
			if got.Value != "buried treasure" || got.Sender != "ann" || got.Channel != "room" || got.Name != "add" || !got.Time.Equal(w.now) {
				t.Errorf("%+v", got)
			}
		}
		var got string
		check(t, w.codec("bob", nil).Decode(b, &got))
		wantErr(t, "another", w.codec("eve", nil).Decode(b, &got), ErrNotForMe)
		wantErr(t, "the sender himself", w.codec("ann", nil).Decode(b, &got), ErrNotForMe)
	}
}

// Whatever one bit is changed, or wherever a message is cut, it is refused.
func TestEveryChangeIsNoticed(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob")
	for name, tune := range map[string]func(*Config){"sealed": to("bob"), "signed": func(c *Config) { c.SignOnly = true }} {
		b := appendOne(t, w.codec("ann", tune), "text")
		for i := range b {
			for _, bad := range [][]byte{flipped(b, i), b[:i]} {
				var got string
				if err := w.codec("bob", tune).Decode(bad, &got); err == nil || got != "" {
					t.Fatalf("%s: changed or cut at %d of %d: %q, %v", name, i, len(b), got, err)
				}
			}
		}
	}
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1 << (i % 8)
	return b
}

// What is genuine but not meant for this receiver, now, here and once, is refused with its reason.
func TestRefusals(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob", "eve")
	var got string
	send := func(tune func(*Config)) []byte {
		return appendOne(t, w.codec("ann", func(c *Config) { c.To = []string{"bob"}; tune(c) }), "x")
	}
	bob := w.codec("bob", func(c *Config) { c.From = []string{"ann"} })
	wantErr(t, "another name", bob.Decode(send(func(c *Config) { c.Name = "sub" }), &got), ErrScope)
	wantErr(t, "another channel", bob.Decode(send(func(c *Config) { c.Channel = "hall" }), &got), ErrScope)
	wantErr(t, "another sender", bob.Decode(appendOne(t, w.codec("eve", to("bob")), "x"), &got), ErrSender)
	wantErr(t, "in the clear", bob.Decode(send(func(c *Config) { c.SignOnly = true }), &got), ErrPlain)
	wantErr(t, "no sealed message", bob.Decode([]byte(`"plain JSON"`), &got), ErrFormat)
	wantErr(t, "nothing", bob.Decode(nil, &got), ErrFormat)
	wantErr(t, "a request as a message", bob.Decode(appendOne(t, w.codec("ann", to("bob")).Begin(), "x"), &got), ErrScope)

	late, early := send(func(*Config) {}), send(func(c *Config) { c.Now = func() time.Time { return w.now.Add(time.Hour) } })
	wantErr(t, "from the future", bob.Decode(early, &got), ErrStale)
	w.now = w.now.Add(DefaultWindow + time.Second)
	wantErr(t, "too old", bob.Decode(late, &got), ErrStale)

	b := send(func(*Config) {})
	check(t, bob.Decode(b, &got))
	wantErr(t, "again", bob.Decode(b, &got), ErrReplay)
	b = send(func(*Config) {})
	w.ring.Remove("ann", Public{})
	wantErr(t, "a key that was withdrawn", bob.Decode(b, &got), ErrUnknown)

	_, err := w.codec("bob", to("ann")).Append(nil, "x")
	wantErr(t, "nobody of that name", err, ErrUnknown)
	_, err = w.codec("bob", nil).Append(nil, "x")
	wantErr(t, "nobody at all", err, ErrUnknown)
	_, err = w.codec("bob", func(c *Config) { c.To, c.Name = []string{"eve"}, "add.*" }).Append(nil, "x")
	wantErr(t, "a pattern", err, ErrScope)
}

// Messages may overtake each other; none counts twice, and the memory for that is bounded.
func TestReplay(t *testing.T) {
	var s seen
	from := origin{sender: keyID{1}}
	admit := func(n uint64) error { return s.admit(from, n, 0, 0, time.Second) }
	for _, n := range []uint64{5, 1, 2, 4, seenSpan + 2, 3, seenSpan, 1 << 40, 1<<40 - 5} {
		check(t, admit(n))
		if err := admit(n); !errors.Is(err, ErrReplay) {
			t.Errorf("%d again: %v", n, err)
		}
	}
	for _, n := range []uint64{6, seenSpan + 1, 1<<40 - seenSpan} {
		if err := admit(n); !errors.Is(err, ErrReplay) {
			t.Errorf("%d, long after: %v", n, err)
		}
	}
	if err := admit(0); err == nil {
		t.Error("0 is taken")
	}
	crowd := func(sender byte, now int64) (n int) {
		for i := range 2 * maxStreams {
			if s.admit(origin{keyID{sender}, [16]byte{byte(i), byte(i >> 8), byte(now >> 20)}}, 1, now, now, time.Second) == nil {
				n++
			}
		}
		return n
	}
	if n := crowd(2, 0); n != perSender {
		t.Errorf("one sender had %d epochs, want %d", n, perSender)
	}
	all := len(s.all)
	for i := range 100 {
		all += crowd(byte(3+i), 0)
	}
	if all != maxStreams || len(s.all) != maxStreams {
		t.Errorf("%d origins are remembered, want %d", len(s.all), maxStreams)
	}
	if n := crowd(2, int64(2*time.Second)); n != perSender || len(s.all) > perSender+1 {
		t.Errorf("after the window %d are taken, %d remembered", n, len(s.all))
	}
}

// conversation is a call between ann, who asks, and bob.
func conversation(t *testing.T, w *world) (asks, answers codec.Codec) {
	return w.codec("ann", to("bob")).Begin(), w.codec("bob", nil).Answer()
}

// An answer belongs to its request: not to another of the same method, and what is left out,
// swapped, repeated or sent back is noticed.
func TestCall(t *testing.T) {
	w := newWorld(t, Hybrid, "ann", "bob", "eve")
	asks, answers := conversation(t, w)
	var got Signed[string]
	_, err := answers.Append(nil, "too early")
	wantErr(t, "an answer to nothing", err, ErrOrder)
	wantErr(t, "an answer to nothing", asks.Decode(nil, &got), ErrOrder)
	req := appendOne(t, asks, "question")
	check(t, answers.Decode(req, &got))
	if got.Value != "question" || got.Sender != "ann" {
		t.Errorf("%+v", got)
	}
	items := [][]byte{appendOne(t, answers, "one"), appendOne(t, answers, "two"), appendOne(t, answers, "three")}
	for _, p := range items {
		if bytes.Contains(p, []byte("one")) || bytes.Contains(p, []byte("two")) {
			t.Error("an answer can be read")
		}
	}
	check(t, asks.Decode(items[0], &got))
	if got.Value != "one" || got.Sender != "bob" || got.Name != "add" {
		t.Errorf("%+v", got)
	}
	wantErr(t, "repeated", asks.Decode(items[0], &got), ErrReplay)
	wantErr(t, "left out", asks.Decode(items[2], &got), ErrReplay)
	wantErr(t, "sent back", answers.Decode(items[0], &got), ErrScope)
	check(t, asks.Decode(items[1], &got))
	more := appendOne(t, asks, "more")
	check(t, answers.Decode(more, &got))
	if got.Value != "more" || got.Sender != "ann" {
		t.Errorf("%+v", got)
	}

	other, otherAnswers := conversation(t, w)
	check(t, otherAnswers.Decode(appendOne(t, other, "question"), &got))
	wantErr(t, "the answer of another call", other.Decode(items[0], &got), ErrForged)
	wantErr(t, "a request as an answer", other.Decode(req, &got), ErrFormat)
	again := w.codec("bob", nil)
	check(t, again.Answer().Decode(req, &got))
	wantErr(t, "the same request to the same handler", again.Answer().Decode(req, &got), ErrReplay)
}

// The same holds where nothing is sealed: then only the signature says which request is answered.
func TestSignedCall(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob", "eve")
	plain := func(c *Config) { c.SignOnly = true }
	var got Signed[string]
	var calls [2]codec.Codec
	var answers [2][]byte
	for i := range calls {
		calls[i] = w.codec("ann", plain).Begin()
		bob := w.codec("bob", plain).Answer()
		check(t, bob.Decode(appendOne(t, calls[i], "same question"), &got))
		answers[i] = appendOne(t, bob, fmt.Sprint("answer ", i))
	}
	wantErr(t, "the answer of another call", fork(calls[1]).Decode(answers[0], &got), ErrForged)
	check(t, calls[1].Decode(answers[1], &got))
	if got.Value != "answer 1" || got.Sender != "bob" {
		t.Errorf("%+v", got)
	}
}

// The bytes of docs/end-to-end.md: a message that was made once is opened for ever.
func TestVector(t *testing.T) {
	text, err := os.ReadFile("testdata/message.hex")
	check(t, err)
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	check(t, err)
	w := &world{t: t, ids: make(map[string]*Identity), ring: NewRing(), now: time.Unix(1_800_000_000, 0)}
	for i, n := range []string{"ann", "bob"} {
		w.ids[n], err = derive(X25519, [seedSize]byte(bytes.Repeat([]byte{byte(1 + i)}, seedSize)))
		check(t, err)
		check(t, w.ring.Add(n, w.ids[n].Public()))
	}
	var got Signed[string]
	check(t, w.codec("bob", nil).Decode(b, &got))
	if got.Value != "buried treasure" || got.Sender != "ann" {
		t.Errorf("%+v", got)
	}
}

// One of several who can open a request answers; another cannot be taken for him, and who was
// not asked cannot answer at all.
func TestWhoMayAnswer(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob", "carol", "eve")
	asks := w.codec("ann", func(c *Config) { c.To, c.From = []string{"bob", "carol"}, []string{"bob"} }).Begin()
	req := appendOne(t, asks, "q")
	var got string
	carol := w.codec("carol", nil).Answer()
	check(t, carol.Decode(req, &got))
	claimed := appendOne(t, carol, "a")
	wantErr(t, "who may not", asks.Decode(claimed, &got), ErrSender)
	bob := w.codec("bob", nil).Answer()
	check(t, bob.Decode(req, &got))
	b := appendOne(t, bob, "a")
	copy(claimed[4:20], b[4:20])
	wantErr(t, "in another's name", fork(asks).Decode(claimed, &got), ErrForged)
}

// fork is a call that has asked and heard nothing yet.
func fork(c codec.Codec) *call {
	x := c.(*call)
	return &call{c: x.c, mine: x.mine, theirs: x.theirs, begun: true, key: x.key, hash: x.hash}
}

// While a key is replaced both are taken; afterwards the old one is not.
func TestRotation(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob")
	fresh, err := Generate(Hybrid)
	check(t, err)
	old := w.ids["bob"]
	check(t, w.ring.Add("bob", fresh.Public()))
	b := appendOne(t, w.codec("ann", to("bob")), "x") // to both keys
	var got string
	check(t, w.codec("bob", nil).Decode(b, &got))
	w.ids["bob"] = fresh
	check(t, w.codec("bob", nil).Decode(b, &got))
	w.ring.Remove("bob", old.Public())
	b = appendOne(t, w.codec("ann", to("bob")), "x")
	w.ids["bob"] = old
	wantErr(t, "the old key alone", w.codec("bob", nil).Decode(b, &got), ErrNotForMe)
	w.ids["bob"] = fresh
	check(t, w.codec("bob", func(c *Config) { c.Previous = []*Identity{old} }).Decode(b, &got))
}

func TestKeysAsText(t *testing.T) {
	for _, s := range []Suite{X25519, Hybrid} {
		id, err := Generate(s)
		check(t, err)
		again, err := ParseIdentity(id.Text() + "\n")
		check(t, err)
		if again.Public() != id.Public() {
			t.Error("another identity came back")
		}
		p, err := ParsePublic(id.Public().String())
		if err != nil || p != id.Public() {
			t.Error(err)
		}
		if _, err := ParsePublic(id.Text()); err == nil {
			t.Error("a secret is taken for a public key")
		}
		for _, f := range []string{"%v", "%s", "%x", "%+v", "%#v"} {
			if said := fmt.Sprintf(f, id); strings.Contains(said, fmt.Sprintf("%x", id.seed[:4])) || strings.Contains(said, id.Text()[30:]) {
				t.Errorf("%s shows the secret: %s", f, said)
			}
		}
		if want := map[Suite]int{X25519: 110, Hybrid: 1696}[s]; len(id.Public().String()) != want {
			t.Errorf("the public key has %d characters, want %d", len(id.Public().String()), want)
		}
	}
	if _, err := Generate(7); err == nil {
		t.Error("an unknown suite is taken")
	}
}

func TestRing(t *testing.T) {
	w := newWorld(t, X25519, "ann", "bob")
	text := "# who\nann " + w.ids["ann"].Public().String() + "\n\nbob the second\t" // a tab is none of ours
	if _, err := ParseRing(text); err == nil || !strings.Contains(err.Error(), "line 4") {
		t.Error(err)
	}
	r, err := ParseRing("ann " + w.ids["ann"].Public().String() + " # friend\nbob the second " + w.ids["bob"].Public().String())
	check(t, err)
	if n := r.Names(); len(n) != 2 || n[1] != "bob the second" {
		t.Error(n)
	}
	if err := r.Add("eve", w.ids["ann"].Public()); err == nil {
		t.Error("two have the same key")
	}
	if err := r.Add("eve", Public{}); err == nil {
		t.Error("the zero key is taken")
	}
	for range 5 {
		id, _ := Generate(X25519)
		err = r.Add("ann", id.Public())
	}
	if err == nil {
		t.Error("one has any number of keys")
	}
}

// What cannot be meant is refused.
func TestConfig(t *testing.T) {
	id, _ := Generate(X25519)
	for what, cfg := range map[string]Config{
		"no self": {Ring: NewRing(), Name: "a"}, "no ring": {Self: id, Name: "a"}, "no name": {Self: id, Ring: NewRing()},
		"a bad channel": {Self: id, Ring: NewRing(), Channel: "a b/", Name: "a"}, "a negative window": {Self: id, Ring: NewRing(), Name: "a", Window: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
