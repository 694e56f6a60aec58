// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/deadletter/bolt"
	"github.com/plexus-ipc/plexus/operation"
)

// letterDesk is who answers: a hub, or a file that no hub has.
type letterDesk interface {
	DeadLetters(ctx context.Context, q operation.DeadLetterQuery) (operation.DeadLetterList, error)
	DeadLetter(ctx context.Context, id uint64) (operation.DeadLetter, error)
	PurgeDeadLetters(ctx context.Context, f operation.DeadLetterFilter) (operation.DeadLetterPurged, error)
}

// letters calls f with whom the flags mean.
func (a *app) letters(ctx context.Context, f func(letterDesk) error) error {
	if a.letterFile == "" {
		return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error { return f(ch) })
	}
	if _, err := os.Stat(a.letterFile); errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no file %s", a.letterFile)
	}
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	s, err := bolt.Open(a.letterFile, &bolt.Options{MaxRecords: math.MaxInt, MaxBytes: math.MaxInt64 / 4, MaxAge: -1, Log: log}) // looking removes nothing
	if err != nil {
		return err
	}
	err = f(&fileDesk{s, deadletter.Desk{Store: s, Now: time.Now}})
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return err
}

// fileDesk is a letterDesk.
type fileDesk struct {
	s    *bolt.Store
	desk deadletter.Desk
}

// DeadLetters implements letterDesk.
func (d *fileDesk) DeadLetters(ctx context.Context, q operation.DeadLetterQuery) (operation.DeadLetterList, error) {
	out, err := d.desk.List(ctx, q)
	out.Stats.DeadLetterStore = d.s.Report()
	return out, err
}

// DeadLetter implements letterDesk.
func (d *fileDesk) DeadLetter(ctx context.Context, id uint64) (operation.DeadLetter, error) {
	return d.desk.Show(ctx, id)
}

// PurgeDeadLetters implements letterDesk.
func (d *fileDesk) PurgeDeadLetters(ctx context.Context, f operation.DeadLetterFilter) (out operation.DeadLetterPurged, err error) {
	out.Removed, err = d.desk.Purge(ctx, f)
	return out, err
}
