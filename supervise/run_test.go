// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

// counter fails until it was started as often as its argument says.
func counter(argument string) error {
	var want int
	var path string
	if _, err := fmt.Sscanf(argument, "%d %s", &want, &path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		return err
	}
	if st, err := f.Stat(); err != nil || int(st.Size()) < want {
		return fmt.Errorf("not yet: %v", err)
	}
	return nil
}

func countTo(t *testing.T, n int) (cfg *supervise.Config, count func() int) {
	path := t.TempDir() + "/count"
	cfg = self(fmt.Sprintf("counter %d %s", n, path))
	cfg.Handover = supervise.None
	return cfg, func() int {
		st, err := os.Stat(path)
		check(t, err)
		return int(st.Size())
	}
}

var quick = supervise.Restart{First: time.Millisecond, Longest: 2 * time.Millisecond, Within: time.Hour}

// TestRestarts: a child that fails is started again until it ends well.
func TestRestarts(t *testing.T) {
	leak.Check(t)
	cfg, count := countTo(t, 4)
	r := quick
	var waits []time.Duration
	r.OnEnd = func(_ error, wait time.Duration) { waits = append(waits, wait) }
	check(t, supervise.Run(t.Context(), cfg, &r))
	if count() != 4 || len(waits) != 4 || waits[3] != -1 || waits[0] < 0 {
		t.Errorf("%d starts, %v", count(), waits)
	}
}

// TestGivesUp: one that fails too often is given up.
func TestGivesUp(t *testing.T) {
	leak.Check(t)
	cfg, count := countTo(t, 100)
	r := quick
	r.Max = 2
	err := supervise.Run(t.Context(), cfg, &r)
	limit, ok := errors.AsType[*supervise.LimitError](err)
	if !ok || limit.Restarts != 2 || count() != 3 || !errors.As(err, new(*supervise.ExitError)) {
		t.Errorf("%v after %d starts", err, count())
	}
	cfg, count = countTo(t, 0)
	r.When = supervise.Always
	err = supervise.Run(t.Context(), cfg, &r)
	if !errors.As(err, &limit) || count() != 3 {
		t.Errorf("%v after %d starts", err, count())
	}
	cfg, count = countTo(t, 100)
	r.When = supervise.Never
	err = supervise.Run(t.Context(), cfg, &r)
	if !errors.As(err, new(*supervise.ExitError)) || count() != 1 {
		t.Errorf("%v after %d starts", err, count())
	}
	err = supervise.Run(t.Context(), &supervise.Config{Argv: []string{"/no/such/program"}}, nil)
	wantCode(t, err, status.FailedPrecondition)
	err = supervise.Run(t.Context(), cfg, &supervise.Restart{When: "sometimes"})
	wantCode(t, err, status.InvalidArgument)
}

// TestRunStops: the end of the context stops the child well.
func TestRunStops(t *testing.T) {
	leak.Check(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last *supervise.Child
	r := quick
	r.OnReady = func(c *supervise.Child) { last = c; cancel() }
	check(t, supervise.Run(ctx, self("greet"), &r))
	await(t, last.Done(), "its end")
	check(t, last.Err())
}
