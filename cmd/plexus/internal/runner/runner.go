// SPDX-License-Identifier: Apache-2.0

// Package runner makes a shell command a method: "plexus provide".
package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// value is JSON, or bytes: it encodes itself as what it is.
type value = json.RawMessage

// Config says how a command becomes a method.
type Config struct {
	Stream    bool // each line of stdout is an item
	Text      bool // stdout is text, which is answered as a JSON string
	Parallel  int  // commands that may run at a time, at least 1; further calls wait
	MaxOutput int  // longest answer, or line of a stream, in bytes
	Options   []plexus.Option
}

// Runner runs a command for each call. It is safe for concurrent use.
type Runner struct {
	cfg    Config
	argv   []string
	slots  chan struct{}
	errors io.Writer // for events, whose senders hear nothing
}

// New returns a Runner for a command. That there is no such command it says early.
func New(cfg *Config, argv []string, errors io.Writer) (*Runner, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, fmt.Errorf("there is no command %q to provide: %w", argv[0], err)
	}
	return &Runner{cfg: *cfg, argv: argv, slots: make(chan struct{}, cfg.Parallel), errors: errors}, nil
}

// Offer offers the method in the shape that the Config says.
func (r *Runner) Offer(ch *plexus.Channel, method string) (*plexus.Registration, error) {
	if r.cfg.Stream {
		return plexus.HandleStream(ch, method, func(ctx context.Context, in value, send func(value) error) error {
			return r.stream(ctx, in, send)
		}, r.cfg.Options...)
	}
	return plexus.Handle(ch, method, r.call, r.cfg.Options...)
}

// answer makes the command's output the answer in the codec of the request.
func (r *Runner) answer(out []byte, raw bool) (value, error) {
	switch {
	case raw:
		return out, nil
	case r.cfg.Text:
		return json.Marshal(string(out))
	case json.Valid(out):
		return out, nil
	}
	return nil, status.Errorf(status.Failed, "the command printed no JSON: provide it with --text, or call it with --raw")
}

// start takes a slot and makes the command, which ends with ctx.
func (r *Runner) start(ctx context.Context, in []byte) (cmd *exec.Cmd, done func(), err error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, status.Convert(context.Cause(ctx))
	}
	cmd = exec.CommandContext(ctx, r.argv[0], r.argv[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.WaitDelay = time.Second
	cmd.Env = os.Environ()
	if env, ok := plexus.EnvelopeOf(ctx); ok {
		cmd.Env = append(cmd.Env, "PLEXUS_CHANNEL="+env.Channel, "PLEXUS_METHOD="+env.Name, "PLEXUS_SENDER="+env.Sender,
			"PLEXUS_ATTEMPT="+attempt(env.Headers))
	}
	killGroup(cmd)
	return cmd, func() { <-r.slots }, nil
}

// attempt returns the number of the provider that a call is sent to, one after the other.
func attempt(headers []session.Pair) string {
	for _, h := range headers {
		if h.Key == operation.HeaderAttempt {
			return h.Value
		}
	}
	return "1"
}

// call serves one call.
func (r *Runner) call(ctx context.Context, in value) (value, error) {
	cmd, done, err := r.start(ctx, in)
	if err != nil {
		return nil, err
	}
	defer done()
	out, complaint := limit{max: r.cfg.MaxOutput}, tail{}
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, r.failure(ctx, err, &out, &complaint)
	}
	return r.answer(out.b, isRaw(ctx))
}

// Event runs the command for an event. Nobody hears how it went but the log.
func (r *Runner) Event(ctx context.Context, in value) {
	cmd, done, err := r.start(ctx, in)
	if err != nil {
		return
	}
	defer done()
	var complaint tail
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(r.errors, "plexus: event:", r.failure(ctx, err, &limit{}, &complaint).Error())
	}
}

// stream serves one call with a stream: each line as soon as it is there.
func (r *Runner) stream(ctx context.Context, in value, send func(value) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, done, err := r.start(ctx, in)
	if err != nil {
		return err
	}
	defer done()
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return status.Errorf(status.Failed, "the command cannot be started: %w", err)
	}
	sent := r.sendLines(out, send, isRaw(ctx))
	if sent != nil {
		cancel()
	}
	ended := cmd.Wait()
	if sent != nil {
		return sent
	}
	if ended != nil {
		return r.failure(ctx, ended, &limit{}, &complaint)
	}
	return nil
}

func (r *Runner) sendLines(out io.Reader, send func(value) error, raw bool) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, r.cfg.MaxOutput)
	for lines.Scan() {
		item, err := r.answer(lines.Bytes(), raw)
		if err == nil {
			err = send(item)
		}
		if err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return status.Errorf(status.TooLarge, "the command printed a line of more than %d bytes", r.cfg.MaxOutput)
	}
	return nil // a broken pipe: the command has ended, and Wait says how
}

// failure tells why a command failed.
func (r *Runner) failure(ctx context.Context, err error, out *limit, complaint *tail) error {
	switch {
	case ctx.Err() != nil:
		return status.Convert(context.Cause(ctx))
	case out.over:
		return status.Errorf(status.TooLarge, "the command printed more than %d bytes", r.cfg.MaxOutput)
	}
	if text := complaint.last(); text != "" {
		return status.Errorf(status.Failed, "%s", text)
	}
	return status.Errorf(status.Failed, "the command failed: %w", err)
}

// isRaw reports whether the request of a handler's context came as bytes.
func isRaw(ctx context.Context) bool {
	in, ok := session.FromContext(ctx)
	return ok && in.Header.Codec == uint8(codec.IDRaw)
}

// limit keeps what is written, up to a limit; more is an error, which ends the command.
type limit struct {
	b    []byte
	max  int
	over bool
}

// Write implements io.Writer.
func (l *limit) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > l.max {
		l.over = true
		return 0, io.ErrShortWrite
	}
	l.b = append(l.b, p...)
	return len(p), nil
}

// tail keeps the end of what is written.
type tail struct{ b []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.b = append(t.b, p...)
	if len(t.b) > 2*keep {
		t.b = append(t.b[:0], t.b[len(t.b)-keep:]...)
	}
	return len(p), nil
}

// last returns the last line that is not empty.
func (t *tail) last() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.b), "�"))
	if i := strings.LastIndexAny(text, "\r\n"); i >= 0 {
		text = text[i+1:]
	}
	return text
}
