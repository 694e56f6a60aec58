// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// bench is what the broken set-ups are built with.
type bench struct {
	*testing.T
	dir string
	env map[string]string
}

func newBench(t *testing.T) *bench {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir) // the facade reads it
	return &bench{t, dir, map[string]string{}}
}

// run runs the program in this process.
func (b *bench) run(in string, args ...string) (exit int, stdout, stderr string) {
	b.Helper()
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(in), &out, &errs, func(name string) (string, bool) { v, ok := b.env[name]; return v, ok })
	exit = a.run(args)
	return exit, out.String(), errs.String()
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// path is a file of the test.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) unix() string {
	ep, err := endpoint.Unix(b.path("s"))
	b.must(err)
	return ep.String()
}

// write makes a file.
func (b *bench) write(name, content string) string {
	b.Helper()
	b.must(os.WriteFile(b.path(name), []byte(content), 0o600))
	return b.path(name)
}

// hub runs a daemon at an address, the unix one if it is "", and returns the real one.
func (b *bench) hub(address string, cfg daemon.Config) string {
	b.Helper()
	if address == "" {
		address = b.unix()
	}
	cfg.Listen = []string{address}
	d, err := daemon.New(cfg)
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- d.Run(ctx) }()
	b.Cleanup(func() {
		d.Abort()
		cancel()
		b.must(<-over)
	})
	select {
	case <-d.Ready():
	case err := <-over:
		over <- nil
		b.Fatal(err)
	}
	return d.Endpoints()[0]
}

// member connects a client that the test drives itself.
func (b *bench) member(address string, o *plexus.DialOptions) *plexus.Client {
	b.Helper()
	c, err := plexus.Dial(b.Context(), address, o)
	b.must(err)
	b.Cleanup(func() { c.Close() })
	return c
}

// direct listens without a hub and offers some methods.
func (b *bench) direct(o *plexus.ListenOptions) string {
	b.Helper()
	srv, err := plexus.Listen(b.unix(), o)
	b.must(err)
	b.Cleanup(func() { srv.Close() })
	return srv.Endpoints()[0]
}

// provide offers the methods that the table uses, in the channel "m".
func (b *bench) provide(address string) *plexus.Channel {
	b.Helper()
	m := b.member(address, &plexus.DialOptions{ID: "provider"}).Channel("m")
	_, err := plexus.Handle(m, "wait", func(ctx context.Context, _ any) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
	b.must(err)
	_, err = plexus.Handle(m, "fail", func(context.Context, any) (any, error) { return nil, errors.New("the disk is full") })
	b.must(err)
	_, err = plexus.Handle(m, "panic", func(context.Context, any) (any, error) { panic("oops") })
	b.must(err)
	_, err = plexus.Handle(m, "big", func(context.Context, any) (string, error) { return strings.Repeat("x", 9<<20), nil })
	b.must(err)
	_, err = plexus.HandleStream(m, "items", func(_ context.Context, _ any, send func(int) error) error { return send(1) })
	b.must(err)
	_, err = plexus.Declare(m, "mine")
	b.must(err)
	return m
}

// broken is a set-up that cannot work: what it runs, and what must come of it.
type broken struct {
	name     string
	setup    func(b *bench) (args []string)
	in       string
	exit     int
	code     string
	sentence string // regular expression
}

// client is the rest of a command line that goes to an address.
func dialled(address string, args ...string) []string {
	return append([]string{"-a", address}, args...)
}

func args(args ...string) func(*bench) []string { return func(*bench) []string { return args } }

func TestBrokenSetups(t *testing.T) {
	cases := append(brokenLines(), brokenPeers()...)
	cases = append(cases, brokenServes()...)
	cases = append(cases, brokenTalks()...)
	if len(cases) < 50 {
		t.Errorf("only %d", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			command := c.setup(b)
			exit, out, text := b.run(c.in, append([]string{"-o", "json"}, command...)...)
			var told struct {
				Error struct {
					Code, Message string
					RetrySafe     *bool `json:"retry_safe"`
				}
			}
			last := text[strings.LastIndexByte(strings.TrimSpace(text), '\n')+1:]
			if err := json.Unmarshal([]byte(last), &told); err != nil {
				t.Fatalf("%v: exit %d, %q %q: %v", command, exit, out, text, err)
			}
			e := told.Error
			if exit != c.exit || e.Code != c.code || !regexp.MustCompile(c.sentence).MatchString(e.Message) || e.RetrySafe == nil {
				t.Errorf("%v\n got %d %s %q\nwant %d %s %q", command, exit, e.Code, e.Message, c.exit, c.code, c.sentence)
			}
			if strings.Contains(e.Message, "\n") || len(e.Message) > 400 {
				t.Errorf("no sentence: %q", e.Message)
			}
		})
	}
}

// brokenLines are wrong command lines: nothing is sent.
func brokenLines() []broken {
	return []broken{
		{"no such command", args("frobnicate"), "", exitUsage, "invalid_argument", `unknown command "frobnicate"`},
		{"no such flag", args("call", "--frobnicate"), "", exitUsage, "invalid_argument", "unknown flag: --frobnicate"},
		{"too few arguments", args("call"), "", exitUsage, "invalid_argument", "accepts between 1 and 2 arg"},
		{"bad timeout", args("call", "x", "--timeout=-1s"), "", exitUsage, "invalid_argument", "--timeout -1s is negative"},
		{"bad JSON", args("call", "m/x", "{oops"), "", exitUsage, "invalid_argument", `the value is no JSON: .*\(byte 2\): write text as '"text"'`},
		{"bad JSON on stdin", args("call", "m/x", "-"), "[1,", exitUsage, "invalid_argument", "the value is no JSON: unexpected end"},
		{"no such file", args("call", "m/x", "@/nowhere/at/all"), "", exitUsage, "invalid_argument", "the value's file cannot be read: .*no such file|cannot find"},
		{"bad header", args("call", "m/x", "1", "-H", "x"), "", exitUsage, "invalid_argument", `--header "x" is not key=value`},
		{"bad address", args("-a", "tcp://host", "status"), "", exitUsage, "invalid_argument", `endpoint "tcp://host": .*port`},
		{"unknown scheme", args("-a", "pigeon://x", "status"), "", exitUsage, "invalid_argument", "pigeon.*(known|knows|one of)"},
		{"path too long", args("-a", "unix:///"+strings.Repeat("x", 200), "status"), "", exitUsage, "invalid_argument", "103"},
		{"bad channel", args("call", "a b*/x"), "", exitUsage, "invalid_argument", `channel name "a b\*"`},
		{"bad method", args("call", "m/"), "", exitUsage, "invalid_argument", `method name "".*empty`},
		{"bad pattern", args("subscribe", "m/a*"), "", exitUsage, "invalid_argument", "wildcards? .*whole tokens"},
		{"bad member id", args("--id", "a//b", "status"), "", exitNobody, "unavailable", "no hub at"},
		{"empty secret in the environment", func(b *bench) []string { b.env["PLEXUS_SECRET"] = ""; return []string{"status"} }, "", exitUsage, "invalid_argument", "PLEXUS_SECRET is set and empty"},
		{"empty secret file", func(b *bench) []string { return []string{"status", "--secret-file", b.write("empty", "\n")} }, "", exitUsage, "invalid_argument", "is empty: write at least 16 random bytes"},
		{"missing secret file", func(b *bench) []string { return []string{"status", "--secret-file", b.path("none")} }, "", exitUsage, "invalid_argument", "the secret file .*none cannot be read: no such file|cannot find"},
		{"a folder as secret file", func(b *bench) []string { return []string{"status", "--secret-file", b.dir} }, "", exitUsage, "invalid_argument", "the secret file .* cannot be read"},
		{"certificate without key", args("status", "--tls-cert", "c.pem"), "", exitUsage, "invalid_argument", "needs its key"},
		{"nonsense as CA", func(b *bench) []string { return []string{"status", "--tls-ca", b.write("ca", "nonsense")} }, "", exitUsage, "invalid_argument", "holds no PEM certificate"},
		{"no such program to provide", args("provide", "m/x", "--", "no-such-program-here"), "", exitUsage, "invalid_argument", `there is no command "no-such-program-here"`},
		{"foreign address", args("endpoint", "parse", "http://x"), "", exitUsage, "invalid_argument", "http"},
		{"spelling that cannot say it", args("endpoint", "convert", "--to", "path", "tcp://h:1"), "", exitUsage, "invalid_argument", "tcp"},
		{"unknown log level", args("status", "--log-level", "loud"), "", exitUsage, "invalid_argument", "it is debug, info, warn or error"},
		{"no Go files", func(b *bench) []string { return []string{"demo", b.dir} }, "", exitUsage, "invalid_argument", "there are no Go files below"},
	}
}

// greeting accepts, says one thing, and no more.
func greeting(b *bench, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	var wg sync.WaitGroup
	wg.Go(func() {
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			io.WriteString(c, text)
			conns = append(conns, c)
		}
		for _, c := range conns {
			c.Close()
		}
	})
	b.Cleanup(func() { l.Close(); wg.Wait() })
	return "tcp://" + l.Addr().String()
}

// brokenPeers: somebody else is there, or nobody, or he does not let us in.
func brokenPeers() []broken {
	secret := daemon.Config{Secret: []byte("a secret of some length")}
	return []broken{
		{"no hub", args("status"), "", exitNobody, "unavailable", `^no hub at [a-z]+://.*/plexus/plexus.sock: start one with "plexus serve"$`},
		{"no hub elsewhere", args("-a", "tcp://127.0.0.1:1", "status"), "", exitNobody, "unavailable", `^no hub at tcp://127.0.0.1:1: start one with "plexus serve --listen tcp://127.0.0.1:1"$`},
		{"a web server", func(b *bench) []string {
			s := httptest.NewServer(http.NotFoundHandler())
			b.Cleanup(s.Close)
			return dialled("tcp://"+s.Listener.Addr().String(), "status")
		}, "", exitRefused, "protocol", `^no Plexus peer: the peer speaks HTTP: .*: is it a Plexus hub that listens at tcp://127.0.0.1:\d+\?$`},
		{"a server that greets", func(b *bench) []string { return dialled(greeting(b, "SSH-2.0-OpenSSH_9.9\r\n"), "status") }, "", exitRefused, "protocol", "no Plexus peer: .*: is it a Plexus hub that listens at tcp:"},
		{"a web server that answers", func(b *bench) []string {
			return dialled(greeting(b, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "status")
		}, "", exitRefused, "protocol", "no Plexus peer: .*HTTP"},
		{"somebody silent", func(b *bench) []string { return dialled(greeting(b, ""), "status", "--timeout", "200ms") }, "", exitTime, "deadline_exceeded", "did not finish the handshake in time"},
		{"TLS to a plain port", func(b *bench) []string {
			return dialled(strings.Replace(b.hub("tcp://127.0.0.1:0", daemon.Config{}), "tcp:", "tls:", 1), "status")
		}, "", exitNobody, "unavailable", "tls"},
		{"platform lacks it", func(*bench) []string {
			if runtime.GOOS == "windows" {
				return dialled("unixpacket:///x", "status")
			}
			return dialled("npipe://./pipe/x", "status")
		}, "", exitRefused, "unsupported", "npipe|unixpacket"},
		{"no secret", func(b *bench) []string { return dialled(b.hub("", secret), "status") }, "", exitDenied, "unauthenticated", "secret.*: give the hub's secret with --secret-file or PLEXUS_SECRET"},
		{"wrong secret", func(b *bench) []string {
			b.env["PLEXUS_SECRET"] = "another secret than that"
			return dialled(b.hub("", secret), "status")
		}, "", exitDenied, "unauthenticated", "the proof of the secret is wrong: check that"},
		{"a secret, and a hub that has none", func(b *bench) []string {
			return dialled(b.hub("", daemon.Config{}), "status", "--secret-file", b.write("s.txt", "a secret of some length"))
		}, "", exitDenied, "unauthenticated", "secret"},
		{"user not allowed", func(b *bench) []string {
			if runtime.GOOS == "windows" {
				b.Skip("no user numbers")
			}
			return dialled(b.hub("", daemon.Config{Allow: &auth.Allow{UIDs: []int{424242}}}), "status")
		}, "", exitDenied, "permission_denied", `runs as .*, which is not allowed here: start the hub with "plexus serve --allow-uid"`},
		{"users at a tcp port", func(b *bench) []string {
			return dialled(b.hub("tcp://127.0.0.1:0", daemon.Config{Allow: &auth.Allow{Same: true}}), "status")
		}, "", exitDenied, "unauthenticated", "transport|credentials|user"},
		{"id taken", func(b *bench) []string {
			a := b.hub("", daemon.Config{})
			b.member(a, &plexus.DialOptions{ID: "me"})
			return dialled(a, "--id", "me", "status")
		}, "", exitRefused, "already_exists", `member id "me" is taken: choose another, or none`},
		{"reserved id", func(b *bench) []string { return dialled(b.hub("", daemon.Config{}), "--id", "$me", "status") }, "", exitRefused, "invalid_argument", `\$me`},
		{"too many clients", func(b *bench) []string {
			a := b.hub("", daemon.Config{MaxSessions: 1})
			b.member(a, nil)
			return dialled(a, "status")
		}, "", exitRefused, "limit_exceeded", "1 sessions are open"},
		{"endpoint of one peer", func(b *bench) []string {
			a := b.direct(&plexus.ListenOptions{One: true})
			b.member(a, nil)
			return dialled(a, "status")
		}, "", exitRefused, "busy", "serves one peer and has one"},
		{"a direct server asked for channels", func(b *bench) []string { return dialled(b.direct(nil), "call", "$/channels") }, "", exitRefused, "unimplemented", "that takes a hub"},
		{"unknown method of a direct server", func(b *bench) []string { return dialled(b.direct(nil), "call", "add") }, "", exitNobody, "unknown_method", `the peer has no method "add"`},
		{"event that nobody takes", func(b *bench) []string { return dialled(b.direct(nil), "send", "hello") }, "", exitNobody, "unknown_method", `nobody listens for event "hello"`},
	}
}

// brokenServes are hubs that cannot start.
func brokenServes() []broken {
	serve := func(address string, more ...string) []string {
		return append([]string{"serve", "--log-level", "error", "--listen", address}, more...)
	}
	return []broken{
		{"path taken by a live hub", func(b *bench) []string { return serve(b.hub("", daemon.Config{})) }, "", exitRefused, "already_exists", "^listen unix://.*(serve|use)"},
		{"path is a file", func(b *bench) []string { b.write("s", "precious"); return serve(b.unix()) }, "", exitRefused, "already_exists", "taken by something else"},
		{"path is a folder", func(b *bench) []string { b.must(os.Mkdir(b.path("s"), 0o700)); return serve(b.unix()) }, "", exitRefused, "already_exists", "taken by something else"},
		{"folder of the path is missing", func(b *bench) []string { return serve(b.unix() + "/two/levels/deep") }, "", exitRefused, "failed_precondition", "create the directory .*two first"},
		{"tcp port taken", func(b *bench) []string { return serve(b.hub("tcp://127.0.0.1:0", daemon.Config{})) }, "", exitRefused, "already_exists", "stop the other process or choose another address"},
		{"second address taken", func(b *bench) []string {
			return serve("tcp://127.0.0.1:0", "--listen", b.hub("", daemon.Config{}))
		}, "", exitRefused, "already_exists", "^listen unix://"},
		{"tls without a certificate", func(*bench) []string { return serve("tls://127.0.0.1:0") }, "", exitUsage, "invalid_argument", "a hub at tls://127.0.0.1:0 needs a certificate and its key: name their files"},
		{"unknown owner policy", func(b *bench) []string { return serve(b.unix(), "--owner-policy", "revolt") }, "", exitUsage, "invalid_argument", `owner policy "revolt" is unknown: it is terminate or promote`},
		{"bad mode", func(b *bench) []string { return serve(b.unix(), "--mode", "rw") }, "", exitUsage, "invalid_argument", `--mode "rw" is no octal number`},
		{"bad hub id", func(b *bench) []string { return serve(b.unix(), "--id", "a/b") }, "", exitUsage, "invalid_argument", "a/b"},
		{"no such secret file", func(b *bench) []string { return serve(b.unix(), "--secret-file", b.path("none")) }, "", exitUsage, "invalid_argument", "secret file .*none"},
		{"address in somebody else's folder", func(b *bench) []string {
			if runtime.GOOS == "windows" {
				b.Skip("no modes")
			}
			b.must(os.Mkdir(b.path("open"), 0o777))
			b.must(os.Chmod(b.path("open"), 0o777))
			return serve("unix://" + b.path("open") + "/s")
		}, "", exitNobody, "unavailable", "chmod o-w"},
	}
}

// brokenTalks: a hub is there, and what is asked of it goes wrong.
func brokenTalks() []broken {
	at := func(more ...string) func(*bench) []string {
		return func(b *bench) []string {
			a := b.hub("", daemon.Config{MaxMessage: 1 << 20})
			b.provide(a)
			return dialled(a, more...)
		}
	}
	return []broken{
		{"nobody provides it", at("call", "m/none"), "", exitNobody, "no_provider", `^nobody provides m/none: offer it with "plexus provide"`},
		{"nobody to send to", at("send", "m/none"), "", exitNobody, "no_provider", "nobody provides m/none"},
		{"nobody of that id", at("call", "--to", "ghost", "m/wait"), "", exitRefused, "not_found", "channel m has no member ghost"},
		{"no such channel", at("members", "none"), "", exitRefused, "not_found", `there is no channel "none"`},
		{"broadcast to no channel", at("broadcast", "none/x"), "", exitRefused, "not_found", `there is no channel "none"`},
		{"the method fails", at("call", "m/fail"), "", exitFailed, "failed", "^the disk is full$"},
		{"the method panics", at("call", "m/panic"), "", exitFailed, "internal", "the handler of .*panic.* panicked"},
		{"deadline", at("call", "m/wait", "--timeout", "50ms"), "", exitTime, "deadline_exceeded", "give it more with --timeout"},
		{"oversize request", at("call", "m/fail", "-"), `"` + strings.Repeat("x", 2<<20) + `"`, exitRefused, "too_large", "message of .* bytes for .*, the peer takes at most 1048576"},
		{"oversize answer", at("call", "m/big"), "", exitRefused, "too_large", "the answer has .* bytes|longer than"},
		{"a stream that is called", at("call", "m/items"), "", exitRefused, "wrong_shape", `"plexus stream" takes streams`},
		{"a call that is streamed", at("stream", "m/fail"), "", exitRefused, "wrong_shape", "m/fail|fail is a"},
		{"undeclared topic", at("publish", "m/none", "1"), "", exitRefused, "undeclared", "topic none of channel .m. has not been declared"},
		{"foreign topic", at("publish", "m/mine", "1"), "", exitDenied, "not_owner", "only provider may publish on topic mine"},
		{"topic taken", at("publish", "--declare", "m/mine", "1"), "", exitRefused, "already_exists", "topic mine of channel m belongs to provider"},
		{"method taken", at("provide", "m/wait", "--", "sh"), "", exitRefused, "already_exists", "m/wait is provided by provider already"},
		{"reserved channel", at("provide", "$/x", "--", "sh"), "", exitUsage, "invalid_argument", `\$`},
		{"event for the hub's own channel", at("send", "$/status"), "", exitDenied, "permission_denied", "the hub's own"},
		{"no such operation", at("call", "$/none"), "", exitNobody, "unknown_method", `the hub has no operation "none"`},
		{"stop not allowed", at("stop"), "", exitDenied, "permission_denied", `does not let members stop it: start it with "plexus serve --allow-stop", or send SIGTERM`},
		{"unknown policy", at("subscribe", "m/>", "--policy", "hope"), "", exitRefused, "invalid_argument", `unknown policy "hope"`},
		{"too long a queue", at("subscribe", "m/>", "--queue", "1000000000"), "", exitRefused, "invalid_argument", "a queue of 1000000000 messages"},
		{"removed by the owner", func(b *bench) []string {
			a := b.hub("", daemon.Config{})
			m := b.provide(a)
			b.when(m, operation.NoticeProvide, func(n operation.Notice) error {
				return m.Operate(context.Background(), operation.Kick, operation.Eviction{Channel: "m", Member: n.Member, Reason: "too loud"}, nil)
			})
			return dialled(a, "provide", "m/new", "--", "sh")
		}, "", exitRefused, "evicted", "removed by the owner, provider: too loud"},
		{"channel ends with its owner", func(b *bench) []string {
			a := b.hub("", daemon.Config{})
			m := b.provide(a)
			b.when(m, operation.NoticeProvide, func(operation.Notice) error {
				return m.Operate(context.Background(), operation.Leave, operation.Place{Channel: "m"}, nil)
			})
			return dialled(a, "provide", "m/new", "--", "sh")
		}, "", exitRefused, "terminated", "channel m ended with its owner, provider"},
		{"the hub shuts down", func(b *bench) []string {
			a := b.hub("", daemon.Config{Hub: hub.Config{AllowStop: true}})
			m := b.provide(a)
			b.when(m, operation.NoticeFirstSubscriber, func(operation.Notice) error {
				err := m.Operate(context.Background(), operation.Stop, operation.StopRequest{Drain: 0.01}, nil)
				if errors.Is(err, status.PeerGone) { // the answer was overtaken
					err = nil
				}
				return err
			})
			return dialled(a, "subscribe", "m/mine")
		}, "", exitNobody, "unavailable", "the hub is shutting down"},
		{"the direct peer goes away", func(b *bench) []string {
			srv, err := plexus.Listen(b.unix(), nil)
			b.must(err)
			var wg sync.WaitGroup
			b.Cleanup(wg.Wait)
			_, err = plexus.Handle(srv, "end", func(ctx context.Context, _ any) (any, error) {
				wg.Go(func() { srv.Close() })
				<-ctx.Done()
				return nil, ctx.Err()
			})
			b.must(err)
			return dialled(srv.Endpoints()[0], "call", "end")
		}, "", exitLost, "peer_gone", "look whether it took effect before you try again"},
	}
}

// when has f called, once, for the first notice of a type in a channel.
func (b *bench) when(ch *plexus.Channel, kind string, f func(operation.Notice) error) {
	b.Helper()
	notices, err := ch.Watch(b.Context())
	b.must(err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			item, err := notices.Recv(context.Background(), nil)
			if err != nil {
				return
			}
			var n operation.Notice
			if json.Unmarshal(item.Payload, &n) != nil || n.Type != kind {
				continue
			}
			if err := f(n); err != nil {
				b.Errorf("%s: %v", kind, err)
			}
			return
		}
	})
	b.Cleanup(func() { notices.Cancel(); wg.Wait() })
}

// TestHTTPAtTheHub: a client of another protocol is not left waiting.
func TestHTTPAtTheHub(t *testing.T) {
	b := newBench(t)
	address := b.hub("tcp://127.0.0.1:0", daemon.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rt := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(address, "tcp:", "http:", 1), nil)
	b.must(err)
	resp, err := rt.RoundTrip(req)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		t.Fatalf("the hub answered %s", resp.Status)
	}
	if ctx.Err() != nil {
		t.Fatal("the hub left an HTTP client waiting")
	}
	if exit, _, text := b.run("", dialled(address, "status")...); exit != 0 {
		t.Fatal(text)
	}
}
