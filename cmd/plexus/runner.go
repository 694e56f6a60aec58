// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// farewellTimeout bounds the end of a provider: withdrawing, and the calls that run.
const farewellTimeout = 10 * time.Second

// runner runs a command for each call.
type runner struct {
	flags  provideFlags
	argv   []string
	slots  chan struct{}
	errors io.Writer // for events, whose senders hear nothing
}

// check says early that there is no such command.
func (r *runner) check() error {
	if _, err := exec.LookPath(r.argv[0]); err != nil {
		return usagef("there is no command %q to provide: %w", r.argv[0], err)
	}
	return nil
}

// start takes a slot and makes the command, which ends with ctx.
func (r *runner) start(ctx context.Context, in []byte) (cmd *exec.Cmd, done func(), err error) {
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
		cmd.Env = append(cmd.Env, "PLEXUS_CHANNEL="+env.Channel, "PLEXUS_METHOD="+env.Name, "PLEXUS_SENDER="+env.Sender)
	}
	killGroup(cmd)
	return cmd, func() { <-r.slots }, nil
}

// call serves one call.
func (r *runner) call(ctx context.Context, in value) (value, error) {
	cmd, done, err := r.start(ctx, in)
	if err != nil {
		return nil, err
	}
	defer done()
	out, complaint := limit{max: r.flags.maxOutput}, tail{}
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, r.failure(ctx, err, &out, &complaint)
	}
	return r.answer(out.b, isRaw(ctx))
}

// event runs the command for an event. Nobody hears how it went but the log.
func (r *runner) event(ctx context.Context, in value) {
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
func (r *runner) stream(ctx context.Context, in value, send func(value) error) error {
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

func (r *runner) sendLines(out io.Reader, send func(value) error, raw bool) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, r.flags.maxOutput)
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
		return status.Errorf(status.TooLarge, "the command printed a line of more than %d bytes", r.flags.maxOutput)
	}
	return nil // a broken pipe: the command has ended, and Wait says how
}

// failure tells why a command failed.
func (r *runner) failure(ctx context.Context, err error, out *limit, complaint *tail) error {
	switch {
	case ctx.Err() != nil:
		return status.Convert(context.Cause(ctx))
	case out.over:
		return status.Errorf(status.TooLarge, "the command printed more than %d bytes", r.flags.maxOutput)
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
