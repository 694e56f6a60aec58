// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/plexus-ipc/plexus/status"
)

// What stands beside the file, by the end of its name.
const (
	lockSuffix = ".lock" // held by whoever uses it
	newSuffix  = ".new"  // its successor, until that is complete
	badSuffix  = ".bad-" // and the time: files that were found damaged
)

// wasteBytes is how many free bytes a file may have, whatever part of it they are, when it is opened.
const wasteBytes = 24 << 20

// maxBad is how many damaged files are kept; the oldest goes.
const maxBad = 4

// Pauses before a file that failed is tried again.
const (
	minPause = time.Second
	maxPause = 30 * time.Second
)

// fileBytes is how long the file may become for so many bytes of letters: its pages are not
// full, and what a change replaces is there until the next one.
func fileBytes(bytes int64) int { return int(min(2*bytes+64<<20, math.MaxInt)) }

// fileName is the path of a file.
type fileName string

func (f fileName) size() int64 {
	info, err := os.Stat(string(f))
	if err != nil {
		return 0
	}
	return info.Size()
}

// Open opens the file at path, or makes it, with the mode 0600; a folder at path stands for
// dead-letters.db in it. One process at a time can have it: for the next one that is
// status.AlreadyExists. A file that is damaged does not fail Open, see the package comment.
func Open(path string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, file: fileName(path), o: o.withDefaults()}
	if s.lock, err = lock(path+lockSuffix, s.o.LockWait); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(status.Errorf(status.Unavailable, "the dead letters in %s cannot be opened: %w", path, err), s.lock.Close())
	}
	return s, nil
}

// resolve returns the file that a path means.
func resolve(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(path, string(filepath.Separator)):
		return resolve(filepath.Join(path, "dead-letters.db"))
	case err == nil && !info.Mode().IsRegular():
		return "", status.Errorf(status.InvalidArgument, "%s is no file that dead letters can be in", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", status.Errorf(status.InvalidArgument, "dead letters cannot be kept: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", status.Errorf(status.InvalidArgument, "dead letters cannot be kept: %w", err)
	}
	return path, nil
}

// lock makes this process the only one that has a lock file: an empty database, because those
// are locked the same way everywhere.
func lock(path string, wait time.Duration) (*bbolt.DB, error) {
	o := &bbolt.Options{Timeout: wait}
	db, err := bbolt.Open(path, 0o600, o)
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
		if err := os.Truncate(path, 0); err != nil { // nobody had it: it was damaged when it was made
			return nil, status.Errorf(status.Unavailable, "%w", err)
		}
		db, err = bbolt.Open(path, 0o600, o)
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, status.Errorf(status.AlreadyExists, "another process has the dead letters in %s: each hub needs a file of its own", strings.TrimSuffix(path, lockSuffix))
	case err != nil:
		return nil, status.Errorf(status.Unavailable, "the dead letters cannot be locked: %w", err)
	}
	return db, nil
}

// open looks at the file, puts it aside if it is damaged, and begins to use what there is.
func (s *Store) open() error {
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(s.path + newSuffix); err == nil { // the end came between two renames, see replace
			if err := os.Rename(s.path+newSuffix, s.path); err != nil {
				return err
			}
		}
	}
	_ = os.Remove(s.path + newSuffix)
	what, unused, err := inspect(s.path)
	switch {
	case err != nil:
		return err
	case what != "":
		return s.replace(what, true)
	case unused > wasteBytes && unused > s.file.size()/4*3:
		return s.replace("most of it was free", false)
	}
	return s.use()
}

// use opens the file, which has been found whole, or is new.
func (s *Store) use() error {
	var db *bbolt.DB
	err := guarded(func() (err error) {
		db, err = openFile(s.path, fileBytes(s.o.MaxBytes))
		return err
	})
	if err != nil {
		return err
	}
	if err = os.Chmod(s.path, 0o600); err == nil {
		err = guarded(func() error { return s.count(db) })
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.db = db
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.pause = nil, 0
	return nil
}

// openFile opens a database, which it makes if need be.
func openFile(path string, most int) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, MaxSize: most, NoStatistics: true,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(letters)
		if err == nil {
			_, err = tx.CreateBucketIfNotExists(quarantine)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// maxQuarantine is how many damaged letters are kept as they were found.
const maxQuarantine = 1000

// count counts what is there, puts damaged letters aside and removes what is too much.
func (s *Store) count(db *bbolt.DB) error {
	var t totals
	err := db.Update(func(tx *bbolt.Tx) error {
		t = totals{}
		b, aside := tx.Bucket(letters), tx.Bucket(quarantine)
		var bad [][]byte
		last := uint64(0)
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if len(k) == 8 {
				last = binary.BigEndian.Uint64(k)
			}
			if _, err := parse(k, v); err != nil {
				bad = append(bad, slices.Clone(k))
				continue
			}
			t.records++
			t.bytes += int64(len(v))
		}
		if b.Sequence() < last { // that was damaged: no id is given twice
			if err := b.SetSequence(last); err != nil {
				return err
			}
		}
		t.damaged = uint64(len(bad))
		for i, k := range bad {
			if i < maxQuarantine {
				if err := aside.Put(k, slices.Clone(b.Get(k))); err != nil {
					return err
				}
			}
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return t.retire(b, s.o.MaxRecords, s.o.MaxBytes, s.cutoff())
	})
	if err != nil {
		return err
	}
	if t.damaged > 0 {
		s.o.Log.Warn("damaged dead letters were put aside", "file", s.path, "damaged", t.damaged, "good", t.records)
	}
	s.settle(&t)
	return nil
}

// ready tries to use a file again that has failed, if it is time to.
func (s *Store) ready() error {
	s.mu.Lock()
	due := s.broken != nil && !s.closed && !s.o.Now().Before(s.again)
	s.mu.Unlock()
	if !due {
		return nil
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.db != nil {
		return nil
	}
	return s.tryLocked(func() error { return s.replace("it had failed", false) })
}

// tryLocked does what makes the file usable, and notes when to try again if that fails.
func (s *Store) tryLocked(f func() error) error {
	err := f()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.broken = nil
		return nil
	}
	s.broken = err
	s.pause = min(max(2*s.pause, minPause), maxPause)
	s.again = s.o.Now().Add(s.pause)
	return status.Errorf(status.Unavailable, "the dead letters in %s cannot be used: %w", s.path, err)
}

// unusable is what callers are told while there is no database.
func (s *Store) unusable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return status.Errorf(status.FailedPrecondition, "the store of dead letters was closed")
	}
	return status.Errorf(status.Unavailable, "the dead letters in %s cannot be used: %w", s.path, s.broken)
}

// renew writes the file anew after a change has failed on used: when a flush has failed nobody
// knows what of the pages before is on the disk, and the next flush would not say so.
func (s *Store) renew(used *bbolt.DB, cause error) {
	s.life.Lock()
	defer s.life.Unlock()
	if s.db != used || s.db == nil {
		return
	}
	s.o.Log.Warn("the file of dead letters is written anew", "file", s.path, "error", cause.Error())
	err := guarded(s.db.Close)
	s.db = nil
	_ = s.tryLocked(func() error {
		if err != nil {
			return err
		}
		return s.replace("a change had failed: "+cause.Error(), errors.Is(cause, errDamaged))
	})
}

// replace copies what is readable of the file into a new one, which takes its place. keep says
// that the old one is to stay, under another name.
func (s *Store) replace(why string, keep bool) error {
	next := s.path + newSuffix
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	found, err := salvage(s.path, next, fileBytes(s.o.MaxBytes))
	if err != nil {
		_ = os.Remove(next)
		return err
	}
	aside := ""
	if keep {
		aside = s.aside()
		if err := os.Rename(s.path, aside); err != nil {
			return err
		}
	}
	if err := os.Rename(next, s.path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(s.path))
	s.o.Log.Warn("dead letters were copied into a new file", "file", s.path, "why", why, "letters", found.good,
		"damaged_letters", found.bad, "damaged_pages", found.badPages, "old_file", aside)
	s.mu.Lock()
	s.quarantined += found.bad + found.badPages
	s.mu.Unlock()
	return s.use()
}

// aside returns a name for a damaged file, and makes room for it.
func (s *Store) aside() string {
	old, _ := filepath.Glob(s.path + badSuffix + "*") // no error: the pattern is one, or finds nothing
	slices.Sort(old)
	for len(old) >= maxBad {
		_ = os.Remove(old[0])
		old = old[1:]
	}
	return s.path + badSuffix + s.o.Now().UTC().Format("20060102T150405.000000000Z")
}

// syncFolder has the renames in a folder on the disk, where there is such a thing.
func syncFolder(path string) {
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// harmless reports whether a change that failed has left the file as it was: there was no room
// for what it had to write. Only a write says so: after a failed flush nothing is sure.
func harmless(err error) bool {
	if errors.Is(err, berrors.ErrMaxSizeReached) || strings.HasPrefix(err.Error(), "file resize error") {
		return true
	}
	pe, ok := errors.AsType[*fs.PathError](err)
	return ok && pe.Op == "write" && full(pe.Err)
}

// full reports whether an error says that there is no room.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) || errors.Is(err, syscall.EFBIG)
}

// String tells which file it is.
func (s *Store) String() string { return fmt.Sprintf("dead letters in %s", s.path) }
