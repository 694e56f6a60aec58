// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Fault case 29: who floods the hub with names, patterns and long names gets as many as his
// identity may have, over all his sessions; what the hub does for others takes no longer than they
// notice; and when he goes, all of it goes with him, also its memory.
func TestFloodOfNames(t *testing.T) {
	bound := 800
	if raceEnabled {
		bound = 160 // all takes much longer
	}
	h := newHouse(t, hub.Config{PerUser: quota.Bounds{Subscriptions: bound, Methods: bound, Topics: bound, Channels: bound}})
	victim := h.as(token("victim")).join("victim", echoing)
	victim.provide("ch", "echo")
	topic := victim.declare("ch", strings.Repeat("a.", 120)+"a", false)
	must(t, victim.emit(topic, "x"))
	must(t, victim.s.Ping(t.Context()))
	before := h.h.Status()
	var peak, left [4]int64
	base := live()
	for round := range left {
		t.Run(fmt.Sprint("flood", round), func(t *testing.T) {
			h.t = t
			floodNames(t, h, bound)
			peak[round] = live() - base
			began := time.Now()
			for range 20 {
				must(t, victim.emit(topic, "x"))
				_, err := victim.call("ch", "echo", "x")
				must(t, err)
			}
			must(t, victim.s.Ping(t.Context()))
			if took := time.Since(began); took > 5*time.Second {
				t.Fatalf("20 publications and calls took %v", took)
			}
			if st := h.h.Status(); st.Subscriptions-before.Subscriptions != bound || st.Methods-before.Methods != bound || st.Channels-before.Channels != bound {
				t.Fatalf("%+v", st)
			}
		})
		h.t = t
		left[round] = live() - base
		if st := h.h.Status(); st.Subscriptions != before.Subscriptions || st.Methods != before.Methods || st.Channels != before.Channels || st.Sessions != 1 {
			t.Fatalf("left behind: %+v", st)
		}
	}
	t.Logf("in the flood %v bytes more, after it %v", peak, left)
	took := max(peak[1]-left[1], peak[2]-left[2], peak[3]-left[3]) // what is kept for the next session of anybody is there after the first
	if more := left[3] - left[1]; more > took/2 {
		t.Errorf("each flood takes %d bytes and leaves %d behind: %v", took, more/2, left)
	}
}

// live returns the bytes that are in use, whatever room there is between them.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// floodNames has four sessions of one identity ask for three times as much as it may have.
func floodNames(t *testing.T, h *house, bound int) {
	h.as(token("flood"))
	var wg sync.WaitGroup
	var refused atomic.Int64
	for i := range 4 {
		p := h.join("", nil)
		wg.Go(func() {
			for n := range 3 * bound / 4 {
				pattern := fmt.Sprintf("%s%d.%d.>", strings.Repeat("*.", 1+n%110), i, n)
				if n%10 == 0 {
					pattern = strings.Repeat("*.", 1+n/10%120) + ">"
				}
				for _, err := range []error{
					flooding(p, operation.Subscription{Channel: "ch", Pattern: pattern}),
					p.op(operation.Join, operation.Place{Channel: fmt.Sprintf("c%d.%d", i, n)}, nil),
					p.op(operation.Provide, operation.Offer{Channel: fmt.Sprintf("c%d.0", i), Method: fmt.Sprintf("m%d.%d", i, n)}, nil),
				} {
					if status.CodeOf(err) == status.LimitExceeded {
						refused.Add(1)
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			}
			for _, name := range []string{strings.Repeat("x", 64<<10), strings.Repeat("a.", 32<<10) + "a", strings.Repeat("*.", 300) + ">"} {
				for what, err := range map[string]error{
					"provide":   p.op(operation.Provide, operation.Offer{Channel: "ch", Method: name}, nil),
					"join":      p.op(operation.Join, operation.Place{Channel: name}, nil),
					"subscribe": p.opened(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: name}),
				} {
					if c := status.CodeOf(err); c != status.InvalidArgument && c != status.TooLarge && c != status.LimitExceeded {
						t.Errorf("%s with a name of %d bytes: %v", what, len(name), err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := refused.Load(); n != int64(6*bound) {
		t.Errorf("%d were refused of %d", n, 9*bound)
	}
}

// flooding subscribes and lets the subscription be.
func flooding(p *party, in operation.Subscription) error {
	x, err := p.s.Route(method(operation.Channel, operation.Subscribe)).Open(p.t.Context(), wire.ServerStream, session.Message{Codec: json1, Payload: encoded(p.t, in)})
	if err == nil {
		_, err = x.Recv(p.t.Context(), nil)
	}
	return err
}

// Fault case 38: ten thousand tries over a hundred connections are a handful that are looked at.
// Others go on, and the one who knows the password gets in.
func TestTenThousandGuesses(t *testing.T) {
	log := new(lines)
	h := newHouse(t, hub.Config{Passwords: map[string]string{"vault": "right"}, Log: slog.New(slog.NewTextHandler(log, nil))})
	h.as(token("other"))
	other := h.join("other", nil)
	h.as(token("guesser"))
	var looked, early atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 100 {
		p := h.join("", nil)
		wg.Go(func() {
			for n := range 100 {
				in := operation.Unlocking{Channel: []string{"vault", "none"}[n%2], Nonce: bytes.Repeat([]byte{byte(n)}, 32), Proof: bytes.Repeat([]byte{1}, 32)}
				switch err := p.op(operation.Unlock, in, nil); {
				case status.CodeOf(err) == status.Unauthenticated:
					looked.Add(1)
				case status.CodeOf(err) == status.LimitExceeded && service.RetryAfter(err) > 0:
					early.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() { must(t, other.unlock("vault", "right")) })
	wg.Wait()
	took := time.Since(began)
	if looked.Load()+early.Load() != 10_000 || looked.Load() > 20 {
		t.Fatalf("%d were looked at, %d came too early", looked.Load(), early.Load())
	}
	if n := strings.Count(log.String(), "wrong password"); n != int(looked.Load()) {
		t.Fatalf("%d lines of the log for %d tries", n, looked.Load())
	}
	other.joinChannel("vault")
	t.Logf("%d of 10,000 looked at, in %v", looked.Load(), took)
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Fault case 39: whatever a peer calls itself and others, one event is one line of the log, which
// holds no control character, in text and in JSON.
func TestLogInjection(t *testing.T) {
	evil := "x\n2026-01-01 level=INFO msg=\"admin logged in\"\r\x1b[2J\u202e\u2028\x00"
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			log := new(lines)
			o := &slog.HandlerOptions{Level: slog.LevelDebug}
			handler := slog.Handler(slog.NewTextHandler(log, o))
			if format == "json" {
				handler = slog.NewJSONHandler(log, o)
			}
			h := newHouse(t, hub.Config{Log: slog.New(handler), Access: access(t, rule("*", "*", ""), rule("p", "!call", "shut")), ErrorPolicy: hub.Broadcast})
			_, err := h.as(token("q")).tryJoin(evil, nil)
			wantCode(t, err, status.InvalidArgument)
			p := h.enter("p", &session.Config{Product: evil, Metadata: map[string]string{evil: evil}})
			q := h.enter("q", nil)
			p.joinChannel("ch")
			q.joinChannel("ch")
			must(t, p.op(operation.Kick, operation.Eviction{Channel: "ch", Member: "q", Reason: evil}, nil))
			_ = p.op(operation.Kick, operation.Eviction{Member: "q", Reason: evil}, nil)
			for _, do := range []func() error{
				func() error { return p.op(operation.Join, operation.Place{Channel: evil}, nil) },
				func() error { return p.op(operation.Provide, operation.Offer{Channel: "ch", Method: evil}, nil) },
				func() error { _, err := p.call("ch", evil, evil); return err },
				func() error { _, err := p.call("shut", evil, evil); return err },
				func() error { _, err := p.call(evil, evil, evil); return err },
				func() error { return p.op(evil, operation.Empty{}, nil) },
				func() error {
					return p.emitted(wire.Bind{Class: wire.ClassEvent, Channel: evil, Name: evil, Target: evil})
				},
				func() error { return p.unlock("ch", evil) },
			} {
				err := do()
				if err == nil {
					t.Error("nothing is wrong with it")
				} else if strings.ContainsFunc(err.Error(), unprintable) {
					t.Errorf("%q", err)
				}
			}
			must(t, h.h.Kick("p", evil))
			<-p.s.Done()
			for line := range strings.Lines(log.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) }) || format == "text" && !strings.HasPrefix(line, "time=") || format == "json" && !json.Valid([]byte(line)) {
					t.Errorf("%q", line)
				}
			}
			if strings.Count(log.String(), "admin logged in") == 0 {
				t.Error("nothing of it is in the log: the test tests nothing")
			}
		})
	}
}

func unprintable(r rune) bool { return unicode.IsControl(r) || r == '\u202e' || r == '\u2028' }
