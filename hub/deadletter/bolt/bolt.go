// SPDX-License-Identifier: Apache-2.0

// Package bolt keeps dead letters in one file, a bbolt database: a deadletter.Store.
//
// What Append has returned nil for is on the disk. Each letter has a checksum: one that is
// damaged is put aside and counted, the others stay readable. A file that is damaged as a whole, cut
// short, or none of ours, is renamed to FILE.bad-TIME when it is opened, and what can be
// read of it goes into a new one.
package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// Defaults of Options.
const (
	DefaultMaxRecords = 100_000
	DefaultMaxBytes   = 256 << 20
	DefaultMaxAge     = 7 * 24 * time.Hour
)

// minBytes is the least that MaxBytes may be.
const minBytes = 1 << 20

// Options bound what a Store keeps: what is too much goes, the oldest first. The zero value
// is useful.
type Options struct {
	MaxRecords int           // letters; 0 is DefaultMaxRecords
	MaxBytes   int64         // of all together; 0 is DefaultMaxBytes, at least 1 MiB. One may have half of it.
	MaxAge     time.Duration // 0 is DefaultMaxAge, less than 0 is for ever
	// LockWait is how long to wait while another process has the file; 0 is a second.
	LockWait time.Duration
	// Log is told what was found wrong with a file, nil for nobody. Now is the clock; nil is time.Now.
	Log *slog.Logger
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.MaxRecords <= 0 {
		o.MaxRecords = DefaultMaxRecords
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	o.MaxBytes = max(o.MaxBytes, minBytes)
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.LockWait <= 0 {
		o.LockWait = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

var (
	letters    = []byte("letters") // by id
	quarantine = []byte("damaged") // what was stored under an id, as it was found
)

// Store is a deadletter.Store in a file. Make one with Open, end it with Close. It is safe for
// concurrent use.
type Store struct {
	path string
	o    Options
	lock *bbolt.DB // of another file, for its lock: this one may be replaced while it is held

	writing sync.Mutex // one change at a time, with its totals; taken before life

	life sync.RWMutex // of db: held for reading while it is used
	db   *bbolt.DB    // nil if it cannot be used at present, or after Close
	file fileName

	mu          sync.Mutex
	closed      bool
	broken      error     // why db is nil
	again       time.Time // when it is tried again
	pause       time.Duration
	records     int
	bytes       int64
	retired     uint64
	quarantined uint64
}

// key returns the key of an id.
func key(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// Append implements deadletter.Store.
func (s *Store) Append(records []*deadletter.Record) error {
	fresh := make([]bool, len(records))
	for i, r := range records {
		fresh[i] = r.ID == 0
		if size := int64(r.Size()); size > s.o.MaxBytes/2 {
			return status.Errorf(status.TooLarge, "a dead letter of %d bytes is too long: the store has %d", size, s.o.MaxBytes)
		}
	}
	err := s.change(func(tx *bbolt.Tx, t *totals) error {
		b := tx.Bucket(letters)
		b.FillPercent = 0.9 // ids ascend
		for _, r := range records {
			if err := t.put(b, r); err != nil {
				return err
			}
		}
		return t.retire(b, s.o.MaxRecords, s.o.MaxBytes, s.cutoff())
	})
	if err != nil {
		for i, r := range records {
			if fresh[i] {
				r.ID = 0
			}
		}
	}
	return err
}

// cutoff is the time of the oldest letter that is not too old; zero if none is.
func (s *Store) cutoff() time.Time {
	if s.o.MaxAge < 0 {
		return time.Time{}
	}
	return s.o.Now().Add(-s.o.MaxAge)
}

// Remove implements deadletter.Store.
func (s *Store) Remove(ids []uint64) (n int, err error) {
	err = s.change(func(tx *bbolt.Tx, t *totals) error {
		n = 0
		b := tx.Bucket(letters)
		for _, id := range ids {
			k := key(id)
			if v := b.Get(k); v != nil {
				n++
				t.gone(v)
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return n, err
}

// Scan implements deadletter.Store. Letters that are too old are left out.
func (s *Store) Scan(after uint64, f func(r *deadletter.Record) bool) error {
	if after == ^uint64(0) {
		return nil
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.db == nil {
		return s.unusable()
	}
	old, damaged := s.cutoff(), uint64(0)
	err := guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(letters).Cursor()
			for k, v := c.Seek(key(after + 1)); k != nil; k, v = c.Next() {
				r, err := parse(k, v)
				if err != nil {
					damaged++
					continue
				}
				if !r.Time.Before(old) && !f(&r) {
					break
				}
			}
			return nil
		})
	})
	if damaged > 0 {
		s.o.Log.Warn("damaged dead letters were left out", "file", s.path, "letters", damaged)
	}
	return failed("read", err)
}

// parse returns the letter that is stored under a key.
func parse(k, v []byte) (deadletter.Record, error) {
	r, err := deadletter.Parse(v)
	if err == nil && (len(k) != 8 || binary.BigEndian.Uint64(k) != r.ID) {
		err = deadletter.ErrDamaged
	}
	return r, err
}

// Report implements deadletter.Reporter.
func (s *Store) Report() operation.DeadLetterStore {
	size := s.file.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := operation.DeadLetterStore{
		Records: s.records, Bytes: s.bytes, FileBytes: size, Retired: s.retired, Quarantined: s.quarantined,
	}
	if s.broken != nil {
		out.Failed = s.broken.Error()
	}
	return out
}

// Close ends the use of the file. Later calls fail.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.life.Lock()
	defer s.life.Unlock()
	var err error
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	return errors.Join(err, s.lock.Close())
}

// change makes a change that is on the disk when it returns nil.
func (s *Store) change(f func(tx *bbolt.Tx, t *totals) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ready(); err != nil {
		return err
	}
	s.life.RLock()
	if s.db == nil {
		defer s.life.RUnlock()
		return s.unusable()
	}
	s.mu.Lock()
	t := totals{records: s.records, bytes: s.bytes}
	s.mu.Unlock()
	err := guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return f(tx, &t) })
	})
	if err == nil {
		s.settle(&t)
	}
	used := s.db
	s.life.RUnlock()
	if err != nil && !harmless(err) {
		s.renew(used, err)
	}
	return failed("written", err)
}

func (s *Store) settle(t *totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.bytes = t.records, t.bytes
	s.retired += t.retired
	s.quarantined += t.damaged
}

// totals are what a Store counts, as a change makes them.
type totals struct {
	records int
	bytes   int64
	retired uint64
	damaged uint64
}

func (t *totals) gone(v []byte) {
	t.records--
	t.bytes -= int64(len(v))
}

func (t *totals) put(b *bbolt.Bucket, r *deadletter.Record) error {
	if r.ID == 0 {
		id, err := b.NextSequence()
		if err != nil {
			return err
		}
		r.ID = id
	}
	k := key(r.ID)
	if v := b.Get(k); v != nil {
		t.gone(v)
	}
	v := r.Append(make([]byte, 0, r.Size()))
	t.records++
	t.bytes += int64(len(v))
	return b.Put(k, v)
}

// retire removes the oldest letters as long as there are too many, too much, or too old ones.
func (t *totals) retire(b *bbolt.Bucket, most int, bytes int64, old time.Time) error {
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.First() {
		if t.records <= most && t.bytes <= bytes {
			if r, err := parse(k, v); err == nil && !r.Time.Before(old) {
				return nil
			} else if err != nil {
				t.damaged++
			}
		}
		t.gone(v)
		t.retired++
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// guarded runs f, which reads a file that may be damaged in ways that its library panics at.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}

// errDamaged: the file is not as it was written.
var errDamaged = errors.New("the file is damaged")

// failed returns what the caller is told of an error.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*status.Error](err); ok {
		return e
	}
	return status.Errorf(status.Unavailable, "dead letters cannot be %s: %w", what, err)
}
