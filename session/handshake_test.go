// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// Each side learns who the other is.
func TestPeer(t *testing.T) {
	dc := &session.Config{ID: "me", Product: "p/1", Instance: strings.Repeat("a", 32), Epoch: 3, Metadata: map[string]string{"k": "v"}, Features: []string{"f"}}
	ac := &session.Config{ID: "server", Admit: func(_ context.Context, p session.Peer) (string, error) { return p.ID + "-1", nil }}
	ds, as := memPair(t, dc, ac)
	p := as.Peer()
	if p.ID != "me-1" || p.Product != "p/1" || p.Epoch != 3 || p.Metadata["k"] != "v" || p.Features[0] != "f" || p.Instance != dc.Instance {
		t.Fatalf("%+v", p)
	}
	if ds.ID() != "me-1" || ds.Peer().ID != "server" || as.ID() != "server" || !ds.Dialled() || as.Dialled() || ds.Began().IsZero() {
		t.Fatalf("%s %+v %s", ds.ID(), ds.Peer(), as.ID())
	}
}

func chain(t *testing.T, secret string) auth.Chain {
	m, err := auth.Secret([]byte(secret), nil)
	must(t, err)
	return auth.Chain{Mechanisms: []auth.Mechanism{m}}
}

func TestSecret(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, as := pair(t, d, a, &session.Config{Auth: chain(t, "0123456789abcdef"), Router: echoing}, &session.Config{Auth: chain(t, "0123456789abcdef"), Router: echoing})
		callMany(t, ds, 1, 1)
		callMany(t, as, 1, 1)
	})
}

// Who is refused learns why, on both sides, and no session comes of it.
func TestRefusedHandshakes(t *testing.T) {
	no := status.Errorf(status.PermissionDenied, "not you")
	for name, c := range map[string]struct {
		d, a session.Config
		code status.Code
	}{
		"wrong secret":    {session.Config{Auth: chain(t, "wrong")}, session.Config{Auth: chain(t, "right")}, status.Unauthenticated},
		"no secret":       {session.Config{}, session.Config{Auth: chain(t, "right")}, status.Unauthenticated},
		"secret too much": {session.Config{Auth: chain(t, "right")}, session.Config{}, status.Unauthenticated},
		"not admitted":    {session.Config{}, session.Config{Admit: func(context.Context, session.Peer) (string, error) { return "", no }}, status.PermissionDenied},
		"long metadata":   {session.Config{Metadata: map[string]string{"k": strings.Repeat("x", 64<<10)}}, session.Config{}, status.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			d, a := mem.Pipe()
			ds, as, derr, aerr := shake(d, a, &c.d, &c.a)
			wantCode(t, derr, c.code)
			if aerr == nil || ds != nil || as != nil {
				t.Fatal(ds, as, aerr)
			}
			if err := d.Send(authNone); err == nil {
				t.Fatal("the connection is open")
			}
		})
	}
}

// A proof that was recorded does not work again: the server's nonce is new.
func TestReplay(t *testing.T) {
	secret := func() *session.Config { return &session.Config{Auth: chain(t, "right")} }
	d, a := mem.Pipe()
	rec := &recorder{Conn: d}
	_, as, derr, aerr := shake(rec, a, secret(), secret())
	must(t, errors.Join(derr, aerr))
	as.Close()
	as.Wait()
	d, a = mem.Pipe()
	refused := make(chan error)
	go func() {
		_, err := session.Accept(context.Background(), a, secret())
		refused <- err
	}()
	for _, p := range rec.sent[:2] {
		must(t, d.Send(p))
	}
	wantCode(t, <-refused, status.Unauthenticated)
	d.Close()
}

// recorder records what is sent. It offers no ability.
type recorder struct {
	transport.Conn
	sent [][]byte
}

func (r *recorder) Send(p []byte) error {
	r.sent = append(r.sent, append([]byte(nil), p...))
	return r.Conn.Send(p)
}

func frame(k wire.Kind, payload string) []byte {
	return wire.AppendFrame(nil, wire.Header{Kind: k}, nil, []byte(payload))
}

func preface(major uint8) []byte { return wire.AppendPreface(nil, wire.Preface{Major: major}) }

// helloWith is an opening whose HELLO was changed.
func helloWith(f func(h *wire.Hello)) []byte {
	var h wire.Hello
	json.Unmarshal(hello(generous), &h)
	f(&h)
	b, _ := json.Marshal(h)
	return append(preface(1), frame(wire.KindHello, string(b))...)
}

// foreign is what comes from peers that speak something else, or Plexus badly.
var foreign = map[string][]byte{
	"HTTP":           []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	"TLS":            append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 500)...),
	"SSH":            []byte("SSH-2.0-OpenSSH_9.6\r\n"),
	"JSON":           []byte(`{"jsonrpc":"2.0"}` + "\n"),
	"other version":  append(preface(2), frame(wire.KindHello, string(hello(generous)))...),
	"no preface":     frame(wire.KindHello, string(hello(generous))),
	"short frame":    append(preface(1), 8, 0, 0, 0, 1, 1, 1, 1),
	"other kind":     append(preface(1), frame(wire.KindCall, "")...),
	"no JSON":        append(preface(1), frame(wire.KindHello, "hello")...),
	"two values":     append(preface(1), frame(wire.KindHello, string(hello(generous))+"{}")...),
	"deep JSON":      append(preface(1), frame(wire.KindHello, `{"metadata":`+strings.Repeat(`{"a":`, 20)+"1"+strings.Repeat("}", 21))...),
	"no nonce":       helloWith(func(h *wire.Hello) { h.Nonce = "" }),
	"no limits":      helloWith(func(h *wire.Hello) { h.Limits = wire.Limits{} }),
	"zero limit":     helloWith(func(h *wire.Hello) { h.Limits.Route = 0 }),
	"much":           append(preface(1), []byte(strings.Repeat(string(wire.AppendFrame(nil, wire.Header{Kind: 99, Flags: wire.FlagIgnorable}, nil, make([]byte, 60<<10))), 2))...),
	"AUTH malformed": append(opening(generous), frame(wire.KindAuth, "[]")...),
	"no mechanism":   append(opening(generous), frame(wire.KindAuth, `{"mechanism":"sesame"}`)...),
}

// Wrong protocols on the port get a clear error on our side, at once, and a reason.
func TestForeignPeers(t *testing.T) {
	for name, bytes := range foreign {
		t.Run(name, func(t *testing.T) {
			d, a := mem.Pipe()
			go d.Send(bytes)
			go func() {
				for b, err := d.Recv(); err == nil; b, err = d.Recv() {
					b.Release()
				}
			}()
			began := time.Now()
			_, err := session.Accept(context.Background(), a, &session.Config{Auth: auth.Chain{Mechanisms: []auth.Mechanism{auth.None()}}})
			if c := status.CodeOf(err); c != status.Protocol && c != status.Unauthenticated {
				t.Fatal(err)
			}
			if took := time.Since(began); took > time.Second {
				t.Fatalf("it took %v", took)
			}
			t.Log(err)
			d.Close()
		})
	}
}

// The dialling side meets the same at a foreign server.
func TestForeignServers(t *testing.T) {
	for name, answer := range map[string][]byte{
		"HTTP": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "SSH": []byte("SSH-2.0-x\r\n"), "other version": preface(9),
		"no mechanism":  helloWith(func(h *wire.Hello) { h.Auth = []string{"sesame"} }),
		"GOAWAY":        append(preface(1), wire.AppendFrame(nil, wire.Header{Kind: wire.KindGoaway, Flags: wire.FlagEnd}, nil, wire.AppendStatus(nil, wire.Status{Code: uint16(status.Busy), Message: []byte("busy")}))...),
		"never done":    append(opening(generous), []byte(strings.Repeat(string(frame(wire.KindAuth, "{}")), 9))...),
		"data too much": append(opening(generous), frame(wire.KindAuth, `{"data":"AAAA","done":true}`)...),
	} {
		t.Run(name, func(t *testing.T) {
			d, a := mem.Pipe()
			must(t, a.Send(answer))
			_, err := session.Dial(context.Background(), d, nil)
			if c := status.CodeOf(err); c != status.Protocol && c != status.Unauthenticated && c != status.Busy {
				t.Fatal(err)
			}
			t.Log(err)
			a.Close()
		})
	}
}

// A peer that says nothing, or a byte now and then, has as long as the handshake may take.
func TestSlowHandshakes(t *testing.T) {
	for name, drip := range map[string]bool{"silent": false, "slow": true} {
		synctest.Test(t, func(t *testing.T) {
			d, a := mem.Pipe()
			if drip {
				go func() {
					for _, b := range opening(generous) {
						if d.Send([]byte{b}) != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
			}
			began := time.Now()
			_, err := session.Accept(t.Context(), a, &session.Config{HandshakeTimeout: 5 * time.Second})
			wantCode(t, err, status.DeadlineExceeded)
			if took := time.Since(began); took != 5*time.Second {
				t.Fatalf("%s: it took %v", name, took)
			}
			d.Close()
			time.Sleep(2 * time.Second) // it notices
		})
	}
	d, _ := mem.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := session.Dial(ctx, d, nil); err == nil {
		t.Fatal(s)
	}
}

// Failed attempts are answered late, and the next wait before they are looked at.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ac := &session.Config{Auth: chain(t, "right"), Throttle: &auth.Throttle{First: 100 * time.Millisecond}, Keeper: new(session.Keeper)}
		for i, ms := range []int64{100, 100 + 200, 200 + 400} {
			want := time.Duration(ms) * time.Millisecond
			d, a := mem.Pipe()
			began := time.Now()
			_, _, err, _ := shake(d, a, &session.Config{Auth: chain(t, "wrong")}, ac)
			wantCode(t, err, status.Unauthenticated)
			if took := time.Since(began); i == 0 && took != want || took > want {
				t.Fatalf("attempt %d took %v, want %v", i, took, want)
			}
		}
	})
}

// upgradable is a Conn that can turn itself into another one.
type upgradable struct {
	*mem.Conn
	to                       transport.Conn
	offerErr, acceptErr, bad error
}

func (u *upgradable) Upgrades() []string { return []string{"warp", "wings"} }
func (u *upgradable) OfferUpgrade(name string) ([]byte, func([]byte) (transport.Conn, error), error) {
	return []byte("offer " + name), func(answer []byte) (transport.Conn, error) {
		if u.bad != nil || string(answer) != "answer" {
			return nil, errors.Join(u.bad, errors.New(string(answer)))
		}
		return u.to, nil
	}, u.offerErr
}
func (u *upgradable) AcceptUpgrade(name string, offer []byte) ([]byte, transport.Conn, error) {
	if string(offer) != "offer "+name || name != "warp" {
		return nil, nil, errors.New("not understood")
	}
	return []byte("answer"), u.to, u.acceptErr
}

// A Conn may be exchanged for another one; if that does not come about the old one goes on.
func TestUpgrade(t *testing.T) {
	no := errors.New("not today")
	for name, c := range map[string]struct{ offer, accept, finish error }{
		"made": {}, "not offered": {offer: no}, "refused": {accept: no}, "failed": {finish: no},
	} {
		t.Run(name, func(t *testing.T) {
			d, a := mem.Pipe()
			d2, a2 := mem.Pipe()
			du := &upgradable{Conn: d, to: d2, offerErr: c.offer, bad: c.finish}
			au := &upgradable{Conn: a, to: a2, acceptErr: c.accept}
			if c.finish != nil {
				_, as, derr, aerr := shake(du, au, nil, nil)
				wantCode(t, derr, status.Protocol)
				must(t, aerr)
				as.Close()
				as.Wait()
				return
			}
			ds, _ := pair(t, du, au, nil, &session.Config{Router: echoing})
			callMany(t, ds, 10, 3)
			if made := d2.Ready() || d2.Send(nil) == nil && d.Send(nil) == nil; !made {
				t.Fatal("a connection was closed")
			}
			a2.Close()
			d2.Close()
			ds.Close()
			d.Close()
			a.Close()
		})
	}
	// Only one side can: no upgrade step.
	d, a := mem.Pipe()
	ds, _ := pair(t, &upgradable{Conn: d}, a, nil, &session.Config{Router: echoing})
	callMany(t, ds, 10, 3)
}
