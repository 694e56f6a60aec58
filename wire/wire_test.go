// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/wire"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{wire.KindHello.String(), "HELLO"}, {wire.KindPublish.String(), "PUBLISH"}, {wire.KindIntroduce.String(), "INTRODUCE"},
		{wire.Kind(0).String(), "UNKNOWN"}, {wire.Kind(200).String(), "UNKNOWN"},
		{wire.ClassMethod.String(), "method"}, {wire.ClassEvent.String(), "event"}, {wire.ClassBroadcast.String(), "broadcast"},
		{wire.ClassTopic.String(), "topic"}, {wire.ClassLabel.String(), "label"}, {wire.Class(0).String(), "unknown"},
		{wire.Unary.String(), "unary"}, {wire.ServerStream.String(), "server stream"},
		{wire.ClientStream.String(), "client stream"}, {wire.Duplex.String(), "duplex"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// Every kind has a name: a new one without is "UNKNOWN" in every log.
func TestKindsHaveNames(t *testing.T) {
	for k := wire.KindHello; k <= wire.KindPublish; k++ {
		reserved := k == 14 || k == 15
		if (k.String() == "UNKNOWN") != reserved {
			t.Errorf("kind %d is %s", k, k)
		}
	}
}

func TestGuess(t *testing.T) {
	for head, want := range map[string]string{
		"GET / HTTP/1.1":             "HTTP",
		"POST / HTTP/1.1":            "HTTP",
		"HTTP/1.1 400 Bad Request":   "HTTP",
		"PRI * HTTP/2.0":             "gRPC",
		"\x16\x03\x01\x02\x00":       "TLS",
		"SSH-2.0-OpenSSH":            "SSH",
		"INFO {":                     "NATS",
		"Content-Length: 12":         "JSON-RPC",
		`{"jsonrpc":"2.0"}`:          "JSON lines",
		"\x00AUTH EXTERNAL":          "D-Bus",
		"l\x01\x00\x01":              "D-Bus",
		"\x00\x00\x00\x05hello":      "length-prefixed",
		"hello":                      `"hello"`,
		"":                           `""`,
		"\xff\xff" + "\x1b[2J" + "x": `\x1b`, // what is shown is quoted
	} {
		if got := wire.Guess([]byte(head)); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}

// AppendFrame sets the two lengths whatever the header says.
func TestAppendFrameCorrectsLengths(t *testing.T) {
	h := wire.Header{Length: 7, ExtWords: 9, Kind: wire.KindCall}
	ext := wire.AppendExtension(nil, wire.ExtTrace, []byte("trace"))
	h, gotExt, payload, err := wire.ParseFrame(wire.AppendFrame(nil, h, ext, []byte("payload")))
	if err != nil || int(h.ExtWords) != len(ext)/8 || !bytes.Equal(gotExt, ext) || string(payload) != "payload" {
		t.Fatalf("%+v %x %q %v", h, gotExt, payload, err)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	for _, b := range [][]byte{
		wire.AppendHeader([]byte("before"), &wire.Header{}), wire.AppendFrame([]byte("before"), wire.Header{}, nil, nil),
		wire.AppendPreface([]byte("before"), wire.Preface{}), wire.AppendBind([]byte("before"), wire.Bind{}),
		wire.AppendCredit([]byte("before"), wire.Credit{}), wire.AppendSource([]byte("before"), wire.Source{}),
		wire.AppendStatus([]byte("before"), wire.Status{}), wire.AppendExtension([]byte("before"), 1, nil),
	} {
		if !bytes.HasPrefix(b, []byte("before")) || len(b) == len("before") {
			t.Errorf("%q", b)
		}
	}
}

// A name that does not fit its u8 length is cut: who lets it come here has not checked it.
func TestLongNamesAreCut(t *testing.T) {
	b, err := wire.ParseBind(wire.AppendBind(nil, wire.Bind{Name: strings.Repeat("n", 300), Target: "t"}))
	if err != nil || len(b.Name) != 255 || b.Target != "t" {
		t.Fatalf("%d bytes, target %q, %v", len(b.Name), b.Target, err)
	}
}

func TestFindExtension(t *testing.T) {
	var ext []byte
	ext = wire.AppendExtension(ext, wire.ExtHeaders, []byte("first"))
	ext = wire.AppendExtension(ext, wire.ExtHeaders, []byte("second"))
	ext = wire.AppendExtension(ext, wire.ExtTrace, nil)
	for typ, want := range map[uint8]string{wire.ExtHeaders: "first", wire.ExtTrace: "", wire.ExtHops: ""} {
		got, err := wire.FindExtension(ext, typ)
		if err != nil || string(got) != want || (got == nil) != (typ == wire.ExtHops) {
			t.Errorf("type %d: %q, %v", typ, got, err)
		}
	}
	if _, err := wire.FindExtension(append(ext, 0), wire.ExtHops); err == nil {
		t.Error("a broken section was searched to its end without an error")
	}
}

func TestAppendHeadersRefuses(t *testing.T) {
	for name, pairs := range map[string][]wire.Pair{
		"empty key":      {{Key: "a", Value: "b"}, {Key: "", Value: "v"}},
		"long key":       {{Key: strings.Repeat("k", 256)}},
		"long value":     {{Key: "k", Value: strings.Repeat("v", wire.MaxExtensions+1)}},
		"key not UTF-8":  {{Key: "\xff"}},
		"long together":  {{Key: "a", Value: strings.Repeat("v", 1500)}, {Key: "b", Value: strings.Repeat("v", 1500)}},
		"one byte above": {{Key: "k", Value: strings.Repeat("v", wire.MaxExtensions-4-4+1)}},
	} {
		if _, ok := wire.AppendHeaders(nil, pairs); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	data, ok := wire.AppendHeaders(nil, []wire.Pair{{Key: "k", Value: strings.Repeat("v", wire.MaxExtensions-4-4)}})
	if ext := wire.AppendExtension(nil, wire.ExtHeaders, data); !ok || len(ext) != wire.MaxExtensions {
		t.Errorf("the longest headers: %v, %d bytes", ok, len(ext))
	}
}

// What is on the hot path allocates nothing.
func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 1024)
	h := wire.Header{Kind: wire.KindCall}
	payload := make([]byte, 100)
	n := testing.AllocsPerRun(100, func() {
		f := wire.AppendFrame(buf, h, nil, payload)
		f = wire.AppendCredit(f[:len(f):cap(f)], wire.Credit{})
		if _, _, _, err := wire.ParseFrame(f[:140]); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The JSON of a handshake never begins a bill that its bytes do not pay.
func TestParseJSONIsBounded(t *testing.T) {
	var h wire.Hello
	for _, body := range []string{strings.Repeat("[", wire.MaxHandshake), strings.Repeat(`{"x":`, wire.MaxHandshake/5)} {
		if n := testing.AllocsPerRun(1, func() { _ = wire.ParseJSON([]byte(body), &h) }); n > 10 {
			t.Errorf("%v allocations to refuse %q…", n, body[:8])
		}
	}
}
