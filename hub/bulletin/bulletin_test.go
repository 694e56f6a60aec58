// SPDX-License-Identifier: Apache-2.0

package bulletin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
)

func TestMain(m *testing.M) { leak.Main(m) }

// pile is a Reader that keeps what it is given; before each it does something.
type pile struct {
	mu     sync.Mutex
	topics []string
	bodies []string
	missed uint64
	before func()
}

func (p *pile) Take(topic string, body []byte) {
	if p.before != nil {
		p.before()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topics, p.bodies = append(p.topics, topic), append(p.bodies, string(body))
}

func (p *pile) Miss(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed += n
}

func (p *pile) has() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.topics)
}

type at struct{ now time.Time }

func (a *at) clock() time.Time { return a.now }

func numbered(n int) func(time.Time, uint64) any {
	return func(_ time.Time, held uint64) any { return map[string]uint64{"n": uint64(n), "held": held} }
}

func TestWhoReads(t *testing.T) {
	b := New(time.Now)
	made := 0
	post := func(c Class, kind string) {
		b.Post(c, kind, func(time.Time, uint64) any { made++; return 1 })
	}
	post(Events, "join")
	if made != 0 || b.Wants(Events) {
		t.Fatal("a bulletin was made for nobody")
	}
	all, joins, logs := &pile{}, &pile{}, &pile{}
	b.Add(">", all)
	b.Add("events.join", joins)
	b.Add("logs.*", logs)
	if !b.Wants(Events) || !b.Wants(Logs) || !b.Wants(Errors) {
		t.Fatal("nothing is wanted")
	}
	post(Events, "join")
	post(Events, "leave")
	post(Errors, "orphan")
	b.Wait()
	b.Remove(all)
	b.Remove(all)
	if b.Wants(Errors) || !b.Wants(Events) || !b.Wants(Logs) {
		t.Fatal("what is wanted is not what is read")
	}
	before := made
	post(Errors, "orphan")
	post(Events, "leave")
	if made != before {
		t.Fatal("a bulletin was made for nobody")
	}
	post(Logs, "info")
	b.Wait()
	b.Wait()
	for _, c := range []struct {
		p    *pile
		want string
	}{{all, "[events.join events.leave errors.orphan]"}, {joins, "[events.join]"}, {logs, "[logs.info]"}} {
		if got := c.p.has(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestPatternsReach(t *testing.T) {
	for pattern, want := range map[string]bool{
		">": true, "*.join": true, "logs.>": true, "logs.info": true, "logs.*": true, "logs": false, "log.info": false, "logsx.info": false, "events.join": false,
	} {
		if reaches(pattern, "logs.") != want {
			t.Errorf("%s: %v", pattern, !want)
		}
	}
}

// Too many of a topic in a second are held back and counted; other topics go on.
func TestTooMany(t *testing.T) {
	clock := &at{time.Unix(100, 0)}
	b := New(clock.clock)
	p := &pile{}
	b.Add(">", p)
	most := perSecond[Errors]
	for i := range most + 7 {
		b.Post(Errors, "orphan", numbered(i))
	}
	b.Post(Errors, "misfit", numbered(0))
	clock.now = clock.now.Add(time.Second)
	b.Post(Errors, "orphan", numbered(99))
	b.Wait()
	if len(p.bodies) != most+2 || p.bodies[most+1] != `{"held":7,"n":99}` {
		t.Fatalf("%d: %v", len(p.bodies), p.bodies[len(p.bodies)-1])
	}
}

// What the board has no place for is told to all readers.
func TestFullBoard(t *testing.T) {
	clock := &at{time.Unix(100, 0)}
	b := New(clock.clock)
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := &pile{before: func() { once.Do(func() { close(entered); <-release }) }}
	b.Add("events.join", p)
	q := &pile{}
	b.Add("events.leave", q)
	b.Post(Events, "join", numbered(0))
	<-entered
	for i := range MaxWaiting + 5 {
		b.Post(Events, "join", numbered(i))
	}
	close(release)
	b.Wait()
	if p.missed != 5 || q.missed != 5 || len(p.bodies) != MaxWaiting+1 {
		t.Fatalf("%d and %d missed, %d taken", p.missed, q.missed, len(p.bodies))
	}
}

// A reader may post, add and remove: nothing is locked while it is called.
func TestReaderPosts(t *testing.T) {
	b := New(time.Now)
	p := &pile{}
	n := 0
	p.before = func() {
		if n++; n < 10 {
			b.Post(Logs, "info", numbered(n))
			other := &pile{}
			b.Add("logs.warn", other)
			b.Remove(other)
		}
	}
	b.Add("logs.info", p)
	b.Post(Logs, "info", numbered(0))
	b.Wait()
	if len(p.topics) != 10 {
		t.Fatal(p.has())
	}
}

func TestConcurrentPosts(t *testing.T) {
	b := New(time.Now)
	p := &pile{}
	b.Add("events.>", p)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				b.Post(Events, "join", numbered(i))
			}
		})
	}
	wg.Wait()
	b.Wait()
	if n := len(p.topics); n != 800 {
		t.Fatal(n)
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	b := New(time.Now)
	log := b.Log(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})), slog.LevelInfo)
	log.Info("nobody reads")
	p := &pile{}
	b.Add("logs.>", p)
	log.Debug("too low")
	log.WithGroup("g").With("a", 1).Info("one", "b", "x", slog.Group("h", "c", true), "d", time.Second)
	log.Error("two", "long", string(bytes.Repeat([]byte("y"), 5000)), "bad", func() {})
	log.WithGroup("").Warn("three")
	b.Wait()
	if p.has() != "[logs.info logs.error logs.warn]" {
		t.Fatal(p.has())
	}
	var l operation.LogLine
	if err := json.Unmarshal([]byte(p.bodies[0]), &l); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(l.Attrs) != "map[g.a:1 g.b:x g.d:1s g.h.c:true]" || l.Message != "one" || l.Level != "info" || l.Time.IsZero() {
		t.Fatalf("%+v", l)
	}
	if err := json.Unmarshal([]byte(p.bodies[1]), &l); err != nil || len(l.Attrs["long"].(string)) > maxText+3 {
		t.Fatal(err, len(p.bodies[1]))
	}
	if bytes.Contains(out.Bytes(), []byte("one")) || !bytes.Contains(out.Bytes(), []byte("msg=two")) || !bytes.Contains(out.Bytes(), []byte("msg=three")) {
		t.Fatal(out.String())
	}
}
