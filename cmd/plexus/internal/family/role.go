// SPDX-License-Identifier: Apache-2.0

package family

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/plexus-ipc/plexus/status"
)

// Actor is a child, seen from inside. One goroutine uses it.
type Actor struct {
	out   *json.Encoder
	lines chan json.RawMessage
}

// Follow reads the task from in, and has play called, whose context ends when in does.
// What play fails with is told to the parent.
func Follow(ctx context.Context, in io.Reader, out io.Writer, task any, play func(ctx context.Context, a *Actor) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Go ends a program that writes to a stdout which nobody reads any more, at once: a parent
	// that was killed must not keep its child from tidying up.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	lines := json.NewDecoder(in)
	a := &Actor{out: json.NewEncoder(out), lines: make(chan json.RawMessage, 16)}
	if err := lines.Decode(task); err != nil {
		return status.Errorf(status.InvalidArgument, "this verb is for processes that plexus starts itself: %w", err)
	}
	go func() { // until stdin ends, or the process does
		defer cancel()
		for {
			var line json.RawMessage
			if lines.Decode(&line) != nil {
				return
			}
			select {
			case a.lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := play(ctx, a); err != nil && ctx.Err() == nil {
		a.Say(complaint{Error: err.Error()})
	}
	return nil
}

// Say tells the parent something. If it is gone, so are we soon.
func (a *Actor) Say(v any) { _ = a.out.Encode(v) }

// Complain tells the parent that something has failed; the child goes on.
func (a *Actor) Complain(err error) { a.Say(complaint{Error: err.Error()}) }

// Await decodes the parent's next line into v; nil is for a line that says nothing else
// than "go on".
func (a *Actor) Await(ctx context.Context, v any) error {
	select {
	case line := <-a.lines:
		if v == nil {
			return nil
		}
		return json.Unmarshal(line, v)
	case <-ctx.Done():
		return ctx.Err()
	}
}
