// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// letter returns the n-th letter of a test, with so many bytes of payload.
func letter(n, size int) *deadletter.Record {
	return &deadletter.Record{
		Time: time.Now(), Kind: "publication", Channel: "orders", Name: "new", Sender: deadletter.Sender{ID: "m-1", Identity: "uid:7"},
		Receiver: "m-2", Reason: "queue_full", Attempts: 1, Codec: 1, Headers: []wire.Pair{{Key: "n", Value: fmt.Sprint(n)}},
		Payload: bytes.Repeat([]byte{byte(n)}, size),
	}
}

func open(t *testing.T, path string, o *Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill keeps the letters from to to, each in a change of its own if alone.
func fill(t *testing.T, s *Store, from, to, size int) {
	t.Helper()
	var batch []*deadletter.Record
	for n := from; n < to; n++ {
		batch = append(batch, letter(n, size))
	}
	if err := s.Append(batch); err != nil {
		t.Fatal(err)
	}
}

// ids returns those of all letters, whose payloads are looked at.
func ids(t *testing.T, s *Store) (all []uint64) {
	t.Helper()
	err := s.Scan(0, func(r *deadletter.Record) bool {
		all = append(all, r.ID)
		if len(r.Headers) != 1 || fmt.Sprint(r.Payload[0]) != r.Headers[0].Value || bytes.Count(r.Payload, r.Payload[:1]) != len(r.Payload) {
			t.Fatalf("letter %d has other bytes", r.ID)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	fill(t, s, 0, 10, 100)
	want := letter(42, 5000)
	if err := s.Append([]*deadletter.Record{want}); err != nil || want.ID != 11 {
		t.Fatal(want.ID, err)
	}
	if n, err := s.Remove([]uint64{3, 4, 99}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	want.Attempts = 2
	if err := s.Append([]*deadletter.Record{want}); err != nil || want.ID != 11 { // in its own place
		t.Fatal(want.ID, err)
	}
	before := s.Report()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append([]*deadletter.Record{letter(1, 1)}); !errors.Is(err, status.FailedPrecondition) {
		t.Fatal(err)
	}
	s = open(t, filepath.Join(dir, "dead-letters.db"), nil)
	if got := fmt.Sprint(ids(t, s)); got != "[1 2 5 6 7 8 9 10 11]" {
		t.Fatal(got)
	}
	if r := s.Report(); r.Records != 9 || r.Bytes != before.Bytes || r.Records != before.Records || r.Quarantined != 0 {
		t.Fatalf("%+v, was %+v", r, before)
	}
	_ = s.Scan(10, func(r *deadletter.Record) bool {
		if !r.Time.Equal(want.Time) || r.Sender != want.Sender || r.Receiver != "m-2" || r.Attempts != 2 || !bytes.Equal(r.Payload, want.Payload) {
			t.Errorf("%+v", r)
		}
		return true
	})
	info, _ := os.Stat(s.path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// The oldest go when there are too many, too much, or too old ones, and the file stays bounded.
func TestRetention(t *testing.T) {
	now := time.Now()
	s := open(t, t.TempDir(), &Options{MaxRecords: 5, MaxBytes: 1 << 20, MaxAge: time.Hour, Now: func() time.Time { return now }})
	fill(t, s, 0, 8, 10)
	if got := fmt.Sprint(ids(t, s)); got != "[4 5 6 7 8]" {
		t.Fatal(got)
	}
	fill(t, s, 8, 11, 400_000)
	if got := fmt.Sprint(ids(t, s)); got != "[10 11]" {
		t.Fatal(got)
	}
	if err := s.Append([]*deadletter.Record{letter(1, 10), letter(1, 600_000)}); !errors.Is(err, status.TooLarge) {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	if got := ids(t, s); len(got) != 0 {
		t.Fatal("too old: ", got)
	}
	for n := range 100 { // 20 MB through a store of 1 MiB
		now = now.Add(time.Millisecond)
		r := letter(n%200, 200_000)
		r.Time = now
		if err := s.Append([]*deadletter.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.Report(); r.Records != 5 || r.Retired != 8+3+100-5 || r.FileBytes > 16<<20 {
		t.Fatalf("%+v", r)
	}
}

// A second process gets a clear answer.
func TestOneOwner(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	_, err := Open(s.path, &Options{LockWait: time.Millisecond})
	if !errors.Is(err, status.AlreadyExists) || !strings.Contains(err.Error(), "another process") {
		t.Fatal(err)
	}
	if _, err := Open(os.DevNull, nil); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
}

// harm is something that happens to a file of letters, and what is left then.
type harm struct {
	what      string
	f         func(b []byte, im *image) []byte
	least     int  // letters that are left
	aside     bool // the file was renamed
	uncounted bool // nothing tells how many are missing
}

// manyLetters is how many a file has that is harmed.
const manyLetters = 120

func harms() []harm {
	const n = manyLetters
	meta := func(b []byte, at int64) { b[at+40] ^= 1 }
	return []harm{
		{what: "nothing", f: func(b []byte, _ *image) []byte { return b }, least: n},
		{what: "a bit of a payload", f: func(b []byte, _ *image) []byte {
			b[bytes.Index(b, bytes.Repeat([]byte{77}, 60))+30] ^= 4
			return b
		}, least: n - 1},
		{what: "the newer beginning", f: func(b []byte, im *image) []byte {
			meta(b, int64(im.change%2)*im.pageSize)
			return b
		}, least: n - 30, uncounted: true},
		{what: "both beginnings", f: func(b []byte, im *image) []byte {
			meta(b, 0)
			meta(b, im.pageSize)
			return b
		}, least: n, aside: true, uncounted: true},
		{what: "half is cut off", f: func(b []byte, im *image) []byte { return b[:int64(im.pages)*im.pageSize/2] }, aside: true, uncounted: true},
		{what: "an odd number of bytes", f: func(b []byte, im *image) []byte {
			return b[:int64(im.pages)*im.pageSize-1001]
		}, aside: true, uncounted: true, least: n / 2},
		{what: "empty", f: func([]byte, *image) []byte { return nil }, aside: true, uncounted: true},
		{what: "zeros", f: func(b []byte, _ *image) []byte { return make([]byte, len(b)) }, aside: true, uncounted: true},
		{what: "another's", f: func([]byte, *image) []byte { return []byte("SQLite format 3\x00 and more") }, aside: true, uncounted: true},
		{what: "the root", f: func(b []byte, im *image) []byte {
			copy(b[int64(im.root)*im.pageSize:], bytes.Repeat([]byte{0xff}, 100))
			return b
		}, aside: true, least: n},
		{what: "the list of free pages", f: func(b []byte, im *image) []byte {
			b[int64(im.freelist)*im.pageSize+8] = 0xee
			return b
		}, aside: true, least: n, uncounted: true},
	}
}

// wholeFile returns the bytes of a file with manyLetters.
func wholeFile(t *testing.T, size int) []byte {
	path := filepath.Join(t.TempDir(), "d")
	s := open(t, path, nil)
	for i := 0; i < manyLetters; i += 30 {
		fill(t, s, i, i+30, size)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDamagedFiles(t *testing.T) {
	for _, size := range []int{60, 9000} {
		good := wholeFile(t, size)
		for _, c := range harms() {
			t.Run(fmt.Sprintf("%s/%d", c.what, size), func(t *testing.T) {
				b := bytes.Clone(good)
				im, err := newImage(bytes.NewReader(b), int64(len(b)))
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "d")
				if err := os.WriteFile(path, c.f(b, im), 0o600); err != nil {
					t.Fatal(err)
				}
				c.check(t, path, size)
			})
		}
	}
}

// check opens a file that was harmed.
func (c *harm) check(t *testing.T, path string, size int) {
	var log bytes.Buffer
	s := open(t, path, &Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	got := ids(t, s)
	if len(got) < c.least || len(got) > manyLetters {
		t.Errorf("%d letters are left, at least %d should be", len(got), c.least)
	}
	bad, _ := filepath.Glob(path + badSuffix + "*")
	if (len(bad) == 1) != c.aside {
		t.Errorf("put aside: %v", bad)
	}
	if q := s.Report().Quarantined; len(got) < manyLetters && q == 0 && !c.uncounted {
		t.Error("nothing is counted")
	}
	if (c.aside || len(got) < manyLetters && !c.uncounted) && log.Len() == 0 {
		t.Error("nothing is said")
	}
	fill(t, s, 0, 10, size) // it goes on
	if after := ids(t, s); len(after) != len(got)+10 || len(got) > 0 && after[len(after)-10] <= got[len(got)-1] {
		t.Errorf("%d letters after ten more", len(after))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if what, _, err := inspect(path); what != "" || err != nil {
		t.Error(what, err)
	}
}

// Wherever a bit flips, every letter that is told is as it was, the store goes on, and no more
// than the letters of one page are lost.
func TestBitFlips(t *testing.T) {
	const n = 60
	path := filepath.Join(t.TempDir(), "d")
	s := open(t, path, nil)
	for i := range n {
		fill(t, s, i, i+1, 300)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	lost := 0
	for at := 0; at < len(good); at += 1 + at%page*37%2503 { // the beginnings of pages, and places in them
		b := bytes.Clone(good)
		b[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, nil)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		got := len(ids(t, s))
		lost = max(lost, n-got)
		if got < n-page/300 {
			t.Errorf("byte %d: %d letters of %d are left", at, got, n)
		}
		if err := s.Append([]*deadletter.Record{letter(1, 300)}); err != nil {
			t.Errorf("byte %d: %v", at, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("at most %d letters of %d were lost", lost, n)
	if bad, _ := filepath.Glob(path + badSuffix + "*"); len(bad) > maxBad {
		t.Errorf("%d damaged files are kept", len(bad))
	}
}

// A crash between the two renames of a replacement leaves the new file only.
func TestReplacementIsTakenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	s := open(t, path, nil)
	fill(t, s, 0, 5, 10)
	s.Close()
	if err := os.Rename(path, path+newSuffix); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, open(t, path, nil)); len(got) != 5 {
		t.Fatal(got)
	}
}

// After a flush of the disk has failed the letters that were kept before are in a new file.
func TestRenewal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	s := open(t, path, nil)
	fill(t, s, 0, 20, 100)
	s.renew(s.db, errors.New("fdatasync: input/output error"))
	fill(t, s, 20, 30, 100)
	if got := ids(t, s); len(got) != 30 || got[29] != 30 {
		t.Fatal(got)
	}
	if bad, _ := filepath.Glob(path + "*"); len(bad) != 2 { // itself and the lock
		t.Fatal(bad)
	}
	if err := s.db.View(func(*bbolt.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// A file that is mostly free is written anew when it is opened.
func TestCompaction(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	fill(t, s, 0, 150, 250_000)
	var most []uint64
	for id := range uint64(145) {
		most = append(most, id+1)
	}
	if n, err := s.Remove(most); n != 145 || err != nil {
		t.Fatal(n, err)
	}
	before := s.Report()
	s.Close()
	s = open(t, s.path, nil)
	if r := s.Report(); r.Records != 5 || r.Quarantined != 0 || r.FileBytes > before.FileBytes/4 {
		t.Errorf("%+v, was %+v", r, before)
	}
	if got := fmt.Sprint(ids(t, s)); got != "[146 147 148 149 150]" {
		t.Error(got)
	}
	if bad, _ := filepath.Glob(s.path + "*"); len(bad) != 2 {
		t.Error(bad)
	}
}

// FuzzImage looks at any bytes as at a file.
func FuzzImage(f *testing.F) {
	path := filepath.Join(f.TempDir(), "d")
	s, err := Open(path, nil)
	if err == nil {
		err = s.Append([]*deadletter.Record{letter(1, 5000), letter(2, 10)})
	}
	if err != nil {
		f.Fatal(err)
	}
	s.Close()
	b, _ := os.ReadFile(path)
	im, _ := newImage(bytes.NewReader(b), int64(len(b)))
	f.Add(uint32(im.root)*uint32(im.pageSize)+20, uint64(1), false)
	f.Add(uint32(im.freelist)*uint32(im.pageSize)+10, uint64(0xffff), false)
	f.Add(uint32(im.freelist)*uint32(im.pageSize)+16, uint64(1<<40), false)
	f.Add(uint32(20), uint64(3), true)
	f.Fuzz(func(_ *testing.T, at uint32, xor uint64, cut bool) {
		own := bytes.Clone(b)
		at %= uint32(len(own) - 8)
		order.PutUint64(own[at:], order.Uint64(own[at:])^xor)
		if cut {
			own = own[:at]
		}
		im, err := newImage(bytes.NewReader(own), int64(len(own)))
		if err != nil {
			return
		}
		_, _ = im.check()
		_ = im.each(&finds{}, func(k, v []byte) error { _, _ = parse(k, v); return nil })
	})
}
