// SPDX-License-Identifier: Apache-2.0

// Package examples runs every example as real processes and looks at what they print.
package examples

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// scene is an example with one process that listens and others that come one by one.
type scene struct {
	program, server string
	steps           []step
	prints          []string // the server, after its address
}

// step is a process that comes and goes.
type step struct {
	args   []string
	prints []string
}

var scenes = []scene{
	{program: "call", server: "serve", steps: []step{{[]string{"call"}, []string{
		"17 / 5 = 3 rest 2",
		"invalid_argument: 17 cannot be divided by 0 - true",
		"14 rest 2",
		"11 rest 1",
	}}}},
	{program: "stream", server: "serve", prints: []string{"sent all", "the consumer left"}, steps: []step{{[]string{"read"}, []string{
		"1229 primes below 10000",
		"1000003 is the first above a million",
	}}}},
	{program: "loan", server: "serve", steps: []step{{[]string{"invert"}, []string{
		"1024 bytes, 0 wrong",
		"65536 bytes, 0 wrong",
		"4194304 bytes, 0 wrong",
	}}}},
	{program: "upload", server: "serve", steps: []step{
		{[]string{"send", "3", "1", "4", "1", "5"}, []string{"{Count:5 Min:1 Max:5 Mean:2.8 Monotonic:false}"}},
		{[]string{"send", "1.5"}, []string{"{Count:1 Min:1.5 Max:1.5 Mean:1.5 Monotonic:true}"}},
	}},
	{program: "duplex", server: "serve", steps: []step{{[]string{"play", "42"}, []string{
		"is it 50", "is it 25", "is it 37", "is it 43", "is it 40", "is it 41", "is it 42", "found",
	}}}},
	{program: "callback", server: "serve", steps: []step{
		{[]string{"deploy", "yes"}, []string{"asked: deploy v1.2?", "v1.2 is deployed"}},
		{[]string{"deploy", "no"}, []string{"asked: deploy v1.2?", "failed_precondition: v1.2 was not confirmed"}},
	}},
	{program: "cancel", server: "serve", prints: []string{"woken", "woken"}, steps: []step{{[]string{"call"}, []string{
		"slept well <nil>",
		"deadline_exceeded true",
		"cancelled true",
		"unknown_method true",
	}}}},
	{program: "embedded", server: "run", prints: []string{"inside: 1"}, steps: []step{
		{[]string{"ask"}, []string{"outside: 2"}},
		{[]string{"ask"}, []string{"outside: 3"}},
	}},
	{program: "store", server: "serve", prints: []string{`already_exists: method "count" is not attached, nor is the rest of the service: method "count" has a handler already`}, steps: []step{{[]string{"use"}, []string{
		"1 <nil>",
		"few left: {bolt 1} <nil>",
		"failed_precondition: there are only 1 of bolt",
		"{bolt 1} <nil>",
		"{nut 5} <nil>",
		"in all: 6 <nil>",
	}}}},
	{program: "netconn", server: "serve", steps: []step{
		{[]string{"get"}, []string{"you asked for /hello"}},
	}},
}

func TestScenes(t *testing.T) {
	for _, sc := range scenes {
		t.Run(sc.program, func(t *testing.T) {
			s := newStage(t)
			srv := s.serve(sc.program, sc.server)
			for _, st := range sc.steps {
				if got := s.run(sc.program, st.args...); !slices.Equal(got, st.prints) {
					t.Errorf("%s %q printed\n%q\nwant\n%q", sc.program, st.args, got, st.prints)
				}
			}
			srv.want(sc.prints...)
			if more := srv.stop(); len(more) > 0 {
				t.Errorf("%s also printed %q", srv, more)
			}
			s.clean()
		})
	}
}

func TestHub(t *testing.T) {
	s := newStage(t)
	h := s.serve("hub", "hub")
	provider := s.start("hub", "provide")
	provider.want("providing text/count")
	want := []string{"6 words", "no_provider - retry is safe: true"}
	if got := s.run("hub", "consume"); !slices.Equal(got, want) {
		t.Errorf("printed %q, want %q", got, want)
	}
	provider.stop()
	h.stop()
	s.clean()
}

func TestChild(t *testing.T) {
	s := newStage(t)
	s.address = ""
	want := []string{"the worker prints: stdout is for everybody", "the worker answers: hei, world", "the worker has ended: <nil>"}
	got := s.run("child")
	slices.Sort(got[:min(2, len(got))]) // the first two may come in any order
	slices.Sort(want[:2])
	if !slices.Equal(got, want) {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestPubsub(t *testing.T) {
	s := newStage(t)
	pub := s.serve("pubsub", "publish")
	one := s.start("pubsub", "subscribe", "weather.*")
	one.want("subscribed to weather.*")
	all := s.start("pubsub", "subscribe", ">")
	all.want("subscribed to >")
	pub.say("weather.oslo -3")
	pub.say("weather.oslo.airport -5")
	pub.say("weather.rome 12")
	one.want("weather.oslo: -3", "weather.rome: 12")
	all.want("weather.oslo: -3", "weather.oslo.airport: -5", "weather.rome: 12")
	pub.end()
	one.want("the publisher has gone")
	all.want("the publisher has gone")
	one.end()
	all.end()
	s.clean()
}

func TestChat(t *testing.T) {
	s := newStage(t)
	h := s.serve("chat", "hub")
	alice, bob := s.start("chat", "join", "alice"), s.start("chat", "join", "bob")
	alice.want("joined as alice")
	bob.want("joined as bob")
	alice.say("hello")
	bob.want("alice: hello")
	bob.say("@alice hello yourself")
	alice.want("bob, to you alone: hello yourself")
	bob.say("@carol are you there?")
	if line := bob.line(); !strings.HasPrefix(line, "not_found: ") {
		t.Errorf("bob is told %q", line)
	}
	alice.end()
	bob.end()
	h.stop()
	s.clean()
}

func TestSecret(t *testing.T) {
	s := newStage(t)
	s.address = "tcp://127.0.0.1:0"
	environment := s.env
	s.env = append(slices.Clip(environment), "SECRET=correct horse battery staple")
	srv := s.serve("secret", "serve")
	if got := s.run("secret", "call"); !slices.Equal(got, []string{"the door is open <nil>"}) {
		t.Errorf("printed %q", got)
	}
	s.env = append(slices.Clip(environment), "SECRET=incorrect horse battery")
	if got := s.run("secret", "call"); !slices.Equal(got, []string{"refused: unauthenticated"}) {
		t.Errorf("printed %q", got)
	}
	srv.stop()
}

func TestBytes(t *testing.T) {
	s := newStage(t)
	srv := s.serve("bytes", "serve")
	text := strings.Repeat("all work and no play makes jack a dull boy\n", 100_000)
	cmd := s.command("bytes", "compress")
	cmd.Stdin = strings.NewReader(text)
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != text {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(text), err)
	}
	srv.stop()
	s.clean()
}

// greeting is what the programs of the README print.
const greeting = "hello, world <nil>\n"

// TestReadme runs the programs that README shows. They are found by name, so the names
// must not be those of another user of this machine.
func TestReadme(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names are pipes there, which are not served yet")
	}
	s := newStage(t)
	s.address = ""
	s.env = append(s.env, "XDG_RUNTIME_DIR="+s.dir)

	srv := s.start("server")
	s.await(greeting, "client")
	srv.kill()
	srv = s.start("server") // after a crash it starts as before
	s.await(greeting, "client")
	srv.kill()

	s.address = "plexus" // where "plexus serve" listens
	h := s.serve("hub", "hub")
	s.address = ""
	provider := s.start("provider")
	s.await(greeting, "consumer")
	h.stop()
	provider.end() // with its hub
}
