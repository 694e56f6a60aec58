// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus"
)

// send sends events to the index, which counts them.
func (u *user) send(ctx context.Context, _ *Row, m *meter) error {
	token := u.token + "-send"
	for i := range laps {
		began := time.Now()
		if err := plexus.Send(ctx, u.index, "note", lap{Token: token, N: i + 1}); err != nil {
			return err
		}
		m.since(began)
	}
	return u.counted(ctx, "note", token)
}

// broadcast sends events to all members of the channel, or to the direct peer: the index
// is one of them and counts.
func (u *user) broadcast(ctx context.Context, _ *Row, m *meter) error {
	token := u.token + "-broadcast"
	for i := range laps {
		began := time.Now()
		if err := plexus.Broadcast(ctx, u.index, "lap", lap{Token: token, N: i + 1}); err != nil {
			return err
		}
		m.since(began)
	}
	return u.counted(ctx, "lap", token)
}

// counted asks the index whether all events have come, in order.
func (u *user) counted(ctx context.Context, method, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n, err := plexus.Call[tally](ctx, u.index, method, tallyOf{token, laps})
	if err != nil {
		return err
	}
	if n.Count != laps || !n.Ordered {
		return fmt.Errorf("%d of %d events came (in order: %v)", n.Count, laps, n.Ordered)
	}
	return nil
}

// announced has the index broadcast, and takes what comes.
func (u *user) announced(ctx context.Context, _ *Row, m *meter) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	token := u.token + "-announced"
	done := make(chan error, 1)
	want := 1
	l := plexus.On(u.index, "announced", func(_ context.Context, l lap) {
		if l.Token != token || want > announced {
			return // another consumer's, or one too many
		}
		m.since(time.Unix(0, l.Sent))
		if l.N != want {
			done <- fmt.Errorf("event %d came where %d was due", l.N, want)
			want = announced
		} else if want == announced {
			done <- nil
		}
		want++
	})
	defer l.Close()
	if _, err := plexus.Call[int](ctx, u.index, "announce", announce{token, announced}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
