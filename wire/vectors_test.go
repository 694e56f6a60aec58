// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// vector is one entry of testdata/vectors.json, which explains its members itself.
type vector struct {
	Kind, Name string
	Fields     json.RawMessage
	Hex        octets
	Repeat     int
	DecodeOnly bool `json:"decode_only"`
	Error      string
}

// octets are bytes that stand in JSON as hex.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

func TestVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		f, ok := formats[v.Kind]
		if !ok {
			t.Fatalf("nobody knows vectors of kind %q", v.Kind)
		}
		seen[v.Kind] = true
		t.Run(v.Kind+"/"+v.Name, func(t *testing.T) { v.check(t, f) })
	}
	if len(seen) != len(formats) {
		t.Errorf("vectors of %d kinds, there are %d", len(seen), len(formats))
	}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	var file struct{ Vectors []vector }
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// bytes returns the input of the parse functions.
func (v vector) bytes() []byte { return bytes.Repeat(v.Hex, max(v.Repeat, 1)) }

func (v vector) check(t *testing.T, f format) {
	got, err := f.parse(v.bytes())
	if v.Error != "" {
		if err == nil || !refusals[v.Error](err) {
			t.Fatalf("error %v, want %s", err, v.Error)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want, encoded, err := f.encode(v.Fields)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parsed %+v, want %+v", got, want)
	}
	if !v.DecodeOnly && !bytes.Equal(encoded, v.bytes()) {
		t.Errorf("encoded %x, want %x", encoded, v.bytes())
	}
}

// refusals tell whether an error is the one that a vector names.
var refusals = map[string]func(error) bool{
	"short":     is(wire.ErrShort),
	"length":    is(wire.ErrLength),
	"extension": is(wire.ErrExtension),
	"trailing":  is(wire.ErrTrailing),
	"preface":   says("no Plexus preface"),
	"json":      says("handshake body: "),
	"deep":      says("nests deeper"),
	"long":      says("allowed are"),
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func says(words string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), words) }
}

// format is what one kind of vectors is run by.
type format struct {
	parse  func([]byte) (any, error)
	encode func(fields json.RawMessage) (value any, encoded []byte, err error)
}

// of makes a format of a pair of functions; T is what the fields of a vector are read into.
func of[T any](parse func([]byte) (T, error), encode func(T) []byte) format {
	return format{
		parse: func(p []byte) (any, error) { return parse(p) },
		encode: func(fields json.RawMessage) (any, []byte, error) {
			var v T
			err := json.Unmarshal(fields, &v)
			return v, encode(v), err
		},
	}
}

var formats = map[string]format{
	"preface":    of(wire.ParsePreface, func(p wire.Preface) []byte { return wire.AppendPreface(nil, p) }),
	"frame":      of(parseFrame, frame.encode),
	"extensions": of(parseExtensions, appendExtensions),
	"headers":    of(parseHeaders, appendHeaders),
	"bind":       of(wire.ParseBind, func(b wire.Bind) []byte { return wire.AppendBind(nil, b) }),
	"credit":     of(wire.ParseCredit, func(c wire.Credit) []byte { return wire.AppendCredit(nil, c) }),
	"source":     of(wire.ParseSource, func(s wire.Source) []byte { return wire.AppendSource(nil, s) }),
	"status":     of(parseStatus, said.encode),
	"bits":       of(parseBits, bits.encode),
	"id":         of(parseID, id.encode),
	"hello":      of(parseBody[wire.Hello], encodeBody[wire.Hello]),
	"auth":       of(parseAuth, encodeBody[authBody]),
	"upgrade":    of(parseUpgrade, encodeBody[upgradeBody]),
	"transcript": {parse: func(p []byte) (any, error) { return p, nil }, encode: hashTranscript},
}

// frame is a wire.Header and what follows it, without the two lengths.
type frame struct {
	Kind, Flags, Codec  uint8
	ID, Route           uint32
	Source, Sequence    uint64
	Deadline, Bits      uint32
	Extensions, Payload octets
}

func parseFrame(p []byte) (frame, error) {
	h, ext, payload, err := wire.ParseFrame(p)
	return frame{uint8(h.Kind), uint8(h.Flags), h.Codec, h.ID, h.Route, h.Source, h.Sequence, h.Deadline, h.Bits, ext, payload}, err
}

func (f frame) encode() []byte {
	h := wire.Header{
		Kind: wire.Kind(f.Kind), Flags: wire.Flags(f.Flags), Codec: f.Codec, ID: f.ID, Route: f.Route,
		Source: f.Source, Sequence: f.Sequence, Deadline: f.Deadline, Bits: f.Bits,
	}
	return wire.AppendFrame(nil, h, f.Extensions, f.Payload)
}

type extension struct {
	Type uint8
	Data octets
}

func parseExtensions(p []byte) ([]extension, error) {
	list := []extension{}
	for {
		typ, data, rest, err := wire.NextExtension(p)
		if typ == 0 || err != nil {
			return list, err
		}
		list, p = append(list, extension{typ, data}), rest
	}
}

func appendExtensions(list []extension) (p []byte) {
	for _, x := range list {
		p = wire.AppendExtension(p, x.Type, x.Data)
	}
	return p
}

func parseHeaders(p []byte) ([][2]string, error) {
	pairs, err := wire.ParseHeaders(nil, p)
	list := [][2]string{}
	for _, x := range pairs {
		list = append(list, [2]string{x.Key, x.Value})
	}
	return list, err
}

func appendHeaders(list [][2]string) []byte {
	var pairs []wire.Pair
	for _, x := range list {
		pairs = append(pairs, wire.Pair{Key: x[0], Value: x[1]})
	}
	p, _ := wire.AppendHeaders(nil, pairs)
	return p
}

// said is a wire.Status with text for the message.
type said struct {
	Code    uint16
	Retry   uint8
	Message string
	Details octets
}

func parseStatus(p []byte) (said, error) {
	s, err := wire.ParseStatus(p)
	return said{s.Code, s.Retry, string(s.Message), append(octets{}, s.Details...)}, err
}

func (s said) encode() []byte {
	return wire.AppendStatus(nil, wire.Status{Code: s.Code, Retry: s.Retry, Message: []byte(s.Message), Details: s.Details})
}

type bits struct {
	Priority, Shape uint8
	Idempotent      bool
}

func parseBits(p []byte) (bits, error) {
	h := wire.Header{Bits: binary.LittleEndian.Uint32(p)}
	return bits{h.Priority(), uint8(h.Shape()), h.Idempotent()}, nil
}

func (b bits) encode() []byte {
	return binary.LittleEndian.AppendUint32(nil, wire.MakeBits(b.Priority, wire.Shape(b.Shape), b.Idempotent))
}

// id is the layout of call ids, which package session makes.
type id struct{ Parity, Slot, Generation uint32 }

func parseID(p []byte) (id, error) {
	n := binary.LittleEndian.Uint32(p)
	return id{n & 1, n >> 1 & (1<<18 - 1), n >> 19}, nil
}

func (i id) encode() []byte {
	return binary.LittleEndian.AppendUint32(nil, i.Generation<<19|i.Slot<<1|i.Parity)
}

func parseBody[T any](p []byte) (v T, err error) {
	err = wire.ParseJSON(p, &v)
	return v, err
}

func encodeBody[T any](v T) []byte {
	p, _ := wire.AppendJSON(nil, v)
	return p
}

// authBody and upgradeBody have their data in hex, as all bytes in the vectors.
type authBody struct {
	Mechanism    string
	Data         octets
	Done         bool
	ID, Identity string
}

func parseAuth(p []byte) (authBody, error) {
	a, err := parseBody[wire.Auth](p)
	return authBody{a.Mechanism, a.Data, a.Done, a.ID, a.Identity}, err
}

type upgradeBody struct {
	Name   string
	Data   octets
	Reason string
}

func parseUpgrade(p []byte) (upgradeBody, error) {
	u, err := parseBody[wire.Upgrade](p)
	return upgradeBody{u.Name, u.Data, u.Reason}, err
}

// hashTranscript does what package session does with both HELLOs.
func hashTranscript(fields json.RawMessage) (value any, encoded []byte, err error) {
	var v struct{ Client, Server, Binding octets }
	if err := json.Unmarshal(fields, &v); err != nil {
		return nil, nil, err
	}
	text := []byte("plexus transcript v1")
	for _, part := range [][]byte{v.Client, v.Server, v.Binding} {
		text = binary.LittleEndian.AppendUint32(text, uint32(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return sum[:], sum[:], nil
}
