// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/offers"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/session"
)

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// maxValue is the longest value that is read from a file or stdin.
const maxValue = 1 << 30

// value is a value on its way from the command line to another process, or back: JSON, or
// bytes. It encodes itself as what it is.
type value = json.RawMessage

// valueFlags are the flags of verbs that send values.
type valueFlags struct {
	raw       bool
	unchecked bool
	headers   []string
}

// fit checks a value against what the method announces, unless the flags say not to.
func (v *valueFlags) fit(ctx context.Context, ch *plexus.Channel, method string, shape session.Shape, in value) error {
	id := codec.IDJSON
	if v.raw {
		id = codec.IDRaw
	}
	if v.unchecked {
		return nil
	}
	return offers.Fit(ctx, ch, method, shape, id, in)
}

// addCheck adds the flag of the verbs that ask whether the value fits.
func (v *valueFlags) addCheck(f *pflag.FlagSet) {
	f.BoolVar(&v.unchecked, "unchecked", false, "send the value even if it does not fit the schema that the method announces")
}

func (v *valueFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&v.raw, "raw", false, "the value is bytes, not JSON")
	f.StringArrayVarP(&v.headers, "header", "H", nil, "key=value to send along, may be repeated")
}

// options returns what the flags ask for.
func (v *valueFlags) options() ([]plexus.Option, error) {
	opts := []plexus.Option{plexus.WithCodec(codec.JSON{})}
	if v.raw {
		opts[0] = plexus.WithCodec(codec.Raw{})
	}
	for _, h := range v.headers {
		key, val, ok := strings.Cut(h, "=")
		if !ok || key == "" {
			return nil, usagef("--header %q is not key=value", h)
		}
		opts = append(opts, plexus.WithHeader(key, val))
	}
	return opts, nil
}

// argument returns the value that the n-th argument stands for: itself, "-" stdin, "@file"
// a file, nothing null.
func (a *app) argument(args []string, n int, raw bool) (value, error) {
	if len(args) <= n {
		if raw {
			return value{}, nil
		}
		return value("null"), nil
	}
	text, err := a.load(args[n])
	if err != nil {
		return nil, err
	}
	if raw {
		return text, nil
	}
	return checkJSON(text)
}

func (a *app) load(arg string) ([]byte, error) {
	path, isFile := strings.CutPrefix(arg, "@")
	switch {
	case arg == "-":
		b, err := io.ReadAll(io.LimitReader(a.in, maxValue))
		if err != nil {
			return nil, usagef("stdin cannot be read: %w", err)
		}
		return b, nil
	case isFile:
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, usagef("the value's file cannot be read: %w", err)
		}
		return b, nil
	}
	return []byte(arg), nil
}

// checkJSON says where a text is no JSON.
func checkJSON(text []byte) (value, error) {
	text = bytes.TrimSpace(text)
	var v value
	err := json.Unmarshal(text, &v)
	if err == nil {
		return v, nil
	}
	at := ""
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = fmt.Sprintf(" (byte %d)", se.Offset)
	}
	return nil, usagef("the value is no JSON: %w%s: write text as '\"text\"', or use --raw", err, at)
}

// mustJSON encodes what cannot fail, in one line.
func mustJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprintf("{\"error\":%q}", err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// line makes JSON stand in one line.
func line(v []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return v
	}
	return b.Bytes()
}

// formatter prints values on stdout.
type formatter struct {
	w    io.Writer
	json bool
}

func (a *app) formatter() *formatter { return &formatter{a.out, a.output == outputJSON} }

// value prints an answer or an item: JSON in a line, raw bytes as they are, or in JSON as
// {"base64": …}.
func (f *formatter) value(v value, raw bool) error {
	var err error
	switch {
	case !raw:
		_, err = fmt.Fprintf(f.w, "%s\n", line(v))
	case f.json:
		_, err = fmt.Fprintln(f.w, mustJSON(map[string][]byte{"base64": v}))
	default:
		_, err = f.w.Write(v)
	}
	return err
}

// message is a publication or an event as it is printed in JSON.
type message struct {
	Channel   string          `json:"channel"`
	Name      string          `json:"name"`
	Sender    string          `json:"sender,omitempty"`
	Broadcast bool            `json:"broadcast,omitempty"`
	Sequence  uint64          `json:"sequence,omitempty"`
	Dropped   uint64          `json:"dropped,omitempty"`
	Replayed  bool            `json:"replayed,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Base64    []byte          `json:"base64,omitempty"` // instead of Value, if that is no JSON
	Codec     uint8           `json:"codec"`
}

// message prints a publication or an event: name, tab, value.
func (f *formatter) message(m message, payload []byte) error {
	isJSON := m.Codec == uint8(codec.IDJSON)
	if f.json {
		if isJSON {
			m.Value = payload
		} else {
			m.Base64 = payload
		}
		_, err := fmt.Fprintln(f.w, mustJSON(m))
		return err
	}
	if isJSON {
		payload = line(payload)
	}
	text := string(payload)
	if !isJSON && (!utf8.Valid(payload) || strings.ContainsAny(text, "\n\r\x00")) {
		text = fmt.Sprintf("%q", text)
	}
	_, err := fmt.Fprintf(f.w, "%s\t%s\n", m.Name, text)
	return err
}

// object prints an answer of many fields: in JSON, or by a function as text, whose tabs
// make columns.
func (f *formatter) object(v any, text func(w io.Writer)) error {
	if f.json {
		_, err := fmt.Fprintln(f.w, mustJSON(v))
		return err
	}
	t := tabwriter.NewWriter(f.w, 0, 0, 2, ' ', 0)
	text(t)
	return t.Flush()
}
