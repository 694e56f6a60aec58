// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// finds are what salvage has found.
type finds struct{ good, bad, badPages uint64 }

// salvage copies the letters of the file at from that are whole into a new one. It goes from
// page to page, so that a page that leads to others may be damaged, too. Pages that are known to be free
// are left out: what was removed does not come back. If nobody knows which are, it may.
func salvage(from, to string, most int) (f finds, err error) {
	db, err := openFile(to, most)
	if err != nil {
		return f, err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return f, err
	}
	im, err := newImage(in, info.Size())
	if err != nil {
		im = &image{r: in, size: info.Size(), pageSize: int64(os.Getpagesize())}
	}
	out := copier{db: db, finds: &f}
	if err := im.each(&f, out.take); err != nil {
		return f, err
	}
	return f, out.flush()
}

// each calls take with what is in the leaves of all pages that are not known to be free.
func (im *image) each(f *finds, take func(k, v []byte) error) error {
	free, _ := im.free() // nil: none is known
	end := uint64(im.size / im.pageSize)
	if im.pages > 0 {
		end = min(end, im.pages)
	}
	for id := uint64(2); id < end; id++ {
		if free[id] {
			continue
		}
		p, err := im.page(id)
		if err != nil {
			if !errors.Is(err, errPage) {
				return err // the disk does not give it
			}
			f.badPages++
			continue
		}
		if p.flags == flagLeaf {
			var stop error
			if err := leaf(p.b, p.count, func(flags uint32, k, v []byte) error {
				stop = elements(flags, k, v, take)
				return stop
			}); err != nil {
				if stop != nil && !errors.Is(stop, errPage) {
					return stop
				}
				f.badPages++
			}
		}
		id += uint64(p.overflow)
	}
	return nil
}

// elements calls take with an element, or with those of the bucket that it is.
func elements(flags uint32, k, v []byte, take func(k, v []byte) error) error {
	if flags&1 == 0 {
		return take(k, v)
	}
	b, count, root, err := inline(v)
	if err != nil || root != 0 {
		return err
	}
	return leaf(b, count, func(_ uint32, k, v []byte) error { return take(k, v) })
}

// copier writes letters into a new file, many at a time.
type copier struct {
	db    *bbolt.DB
	finds *finds
	keys  [][]byte
	vals  [][]byte
	size  int
}

// copyBytes is how many bytes one change of the copy has.
const copyBytes = 8 << 20

func (c *copier) take(k, v []byte) error {
	if _, err := parse(k, v); err != nil {
		if len(k) == 8 && len(v) > 0 { // something that was a letter, or has been put aside as damaged
			c.finds.bad++
		}
		return nil
	}
	c.finds.good++
	c.keys, c.vals = append(c.keys, bytes.Clone(k)), append(c.vals, bytes.Clone(v))
	if c.size += len(k) + len(v); c.size < copyBytes {
		return nil
	}
	return c.flush()
}

func (c *copier) flush() error {
	err := c.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(letters)
		for i, k := range c.keys {
			if err := b.Put(k, c.vals[i]); err != nil {
				return err
			}
		}
		last, _ := b.Cursor().Last()
		if last != nil && b.Sequence() < binary.BigEndian.Uint64(last) {
			return b.SetSequence(binary.BigEndian.Uint64(last))
		}
		return nil
	})
	c.keys, c.vals, c.size = nil, nil, 0
	return err
}
