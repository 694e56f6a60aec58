// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// A bbolt file is looked at here without its library, which trusts what it maps. All numbers
// are in the order of the machine:
//
//	page     u64 id · u16 flags · u16 count · u32 overflow (pages that belong to it, too) · elements · data
//	meta     page · u32 magic · u32 version · u32 page size · u32 · u64 root · u64 · u64 freelist · u64 pages · u64 change · u64 sum
//	branch   elements of u32 position · u32 key length · u64 page
//	leaf     elements of u32 flags · u32 position · u32 key length · u32 value length
//	bucket   (the value of an element with flag 1) u64 root · u64 sequence · a leaf, if root is 0
//	freelist u64 ids; with the count 0xffff the first says how many
//
// Positions are from their element on.
const (
	pageHead, branchElement, leafElement, bucketHead, metaSize = 16, 16, 16, 16, 64

	flagBranch, flagLeaf, flagMeta, flagFreelist = 1, 2, 4, 16

	metaMagic, metaVersion = 0xED0CDAED, 2
	noFreelist             = ^uint64(0)
	manyFree               = 0xffff
)

var order = binary.NativeEndian

// image is a file that is looked at.
type image struct {
	r        io.ReaderAt
	size     int64
	pageSize int64

	root, freelist, pages, change uint64 // of the latest meta page
}

// page is a page with those that belong to it.
type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint32
	b        []byte // all of it
}

// errPage: a page is not what it has to be.
var errPage = errors.New("a page is damaged")

// newImage finds the latest meta page.
func newImage(r io.ReaderAt, size int64) (*image, error) {
	im := &image{r: r, size: size}
	im.meta(0)
	for at := int64(1024); at <= 64<<10; at *= 2 { // the second is where the second page is
		im.meta(at)
	}
	if im.pageSize == 0 {
		return nil, errors.New("it is no database, or has no beginning that is whole")
	}
	return im, nil
}

// meta takes what a meta page says, if it is one and later than what is known.
func (im *image) meta(at int64) {
	b := make([]byte, pageHead+metaSize)
	if _, err := im.r.ReadAt(b, at); err != nil {
		return
	}
	m := b[pageHead:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8])
	size := int64(order.Uint32(m[8:]))
	change := order.Uint64(m[48:])
	if order.Uint32(m) != metaMagic || order.Uint32(m[4:]) != metaVersion || order.Uint64(m[56:]) != sum.Sum64() {
		return
	}
	if size < 1024 || size > 64<<10 || size&(size-1) != 0 || at != 0 && at != size || im.pageSize != 0 && change < im.change {
		return
	}
	im.pageSize, im.change = size, change
	im.root, im.freelist, im.pages = order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:])
}

// page reads a page, with what belongs to it.
func (im *image) page(id uint64) (*page, error) {
	if id < 2 || id >= uint64(im.size/im.pageSize) {
		return nil, errPage
	}
	head := make([]byte, pageHead)
	if _, err := im.r.ReadAt(head, int64(id)*im.pageSize); err != nil {
		return nil, err
	}
	p := &page{id: id, flags: order.Uint16(head[8:]), count: int(order.Uint16(head[10:])), overflow: order.Uint32(head[12:])}
	n := (1 + int64(p.overflow)) * im.pageSize
	if order.Uint64(head) != id || int64(id)*im.pageSize+n > im.size {
		return nil, errPage
	}
	p.b = make([]byte, n)
	_, err := im.r.ReadAt(p.b, int64(id)*im.pageSize)
	return p, err
}

// leaf calls f with the elements of a leaf, b, which has a head. inner are its buckets.
func leaf(b []byte, count int, f func(flags uint32, k, v []byte) error) error {
	for i := range count {
		at := uint64(pageHead + i*leafElement)
		if at+leafElement > uint64(len(b)) {
			return errPage
		}
		e := b[at:]
		pos, ks, vs := uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		begin, end := at+pos, at+pos+ks+vs
		if pos < leafElement || end > uint64(len(b)) {
			return errPage
		}
		if err := f(order.Uint32(e), b[begin:begin+ks], b[begin+ks:end]); err != nil {
			return err
		}
	}
	return nil
}

// inline returns the leaf that is in a bucket's value, nil if it has pages of its own: root.
func inline(v []byte) (b []byte, count int, root uint64, err error) {
	if len(v) < bucketHead {
		return nil, 0, 0, errPage
	}
	if root = order.Uint64(v); root != 0 {
		return nil, 0, root, nil
	}
	if b = v[bucketHead:]; len(b) < pageHead || order.Uint16(b[8:]) != flagLeaf {
		return nil, 0, 0, errPage
	}
	return b, int(order.Uint16(b[10:])), 0, nil
}

// free returns the pages that are not in use.
func (im *image) free() (map[uint64]bool, error) {
	all := make(map[uint64]bool)
	if im.freelist == noFreelist {
		return nil, errors.New("there is no list of free pages")
	}
	p, err := im.page(im.freelist)
	if err != nil || p.flags != flagFreelist {
		return nil, errPage
	}
	b, n := p.b[pageHead:], uint64(p.count)
	if n == manyFree {
		n, b = order.Uint64(b), b[8:]
	}
	if n > uint64(len(b)/8) {
		return nil, errPage
	}
	for i := range n {
		id := order.Uint64(b[8*i:])
		if id < 2 || id >= im.pages || all[id] {
			return nil, errPage
		}
		all[id] = true
	}
	return all, nil
}

// inspect returns what is wrong with the structure of a file, "" if nothing is, or there is none
// yet, and how many bytes of it are not in use.
func inspect(path string) (what string, unused int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if info.Size() == 0 {
		return "it is empty", 0, nil
	}
	im, err := newImage(f, info.Size())
	if err != nil {
		return err.Error(), 0, nil
	}
	used, err := im.check()
	if err != nil {
		return err.Error(), 0, nil
	}
	return "", info.Size() - int64(used)*im.pageSize, nil
}

// check walks through all pages that are in use and returns how many there are.
func (im *image) check() (used int, err error) {
	if im.pages > uint64(im.size/im.pageSize) {
		return 0, fmt.Errorf("it is cut short: %d of %d pages are there", im.size/im.pageSize, im.pages)
	}
	free, err := im.free()
	if err != nil {
		return 0, err
	}
	w := walk{im: im, free: free, seen: make(map[uint64]bool)}
	err = w.visit(im.root, 0)
	return len(w.seen), err
}

// walk is a way through the pages in use, in the order of their keys.
type walk struct {
	im    *image
	free  map[uint64]bool
	seen  map[uint64]bool
	last  []byte // the key before
	floor []byte // what a branch says that keys begin with
}

// maxDepth is more levels than any file has.
const maxDepth = 32

func (w *walk) visit(id uint64, depth int) error {
	if id >= w.im.pages || depth > maxDepth {
		return errPage
	}
	p, err := w.im.page(id)
	if err != nil {
		return err
	}
	for i := range uint64(p.overflow) + 1 {
		if w.seen[id+i] || w.free[id+i] {
			return errPage
		}
		w.seen[id+i] = true
	}
	switch p.flags {
	case flagLeaf:
		return leaf(p.b, p.count, func(flags uint32, k, v []byte) error { return w.element(flags, k, v, depth) })
	case flagBranch:
		return w.branch(p, depth)
	}
	return errPage
}

// branch visits the pages that a branch leads to.
func (w *walk) branch(p *page, depth int) error {
	for i := range p.count {
		at := uint64(pageHead + i*branchElement)
		if at+branchElement > uint64(len(p.b)) {
			return errPage
		}
		e := p.b[at:]
		pos, ks := uint64(order.Uint32(e)), uint64(order.Uint32(e[4:]))
		if pos < branchElement || at+pos+ks > uint64(len(p.b)) {
			return errPage
		}
		w.floor = p.b[at+pos : at+pos+ks]
		if err := w.inOrder(w.floor); err != nil {
			return err
		}
		if err := w.visit(order.Uint64(e[8:]), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) inOrder(k []byte) error {
	if w.last != nil && bytes.Compare(k, w.last) <= 0 {
		return errPage
	}
	return nil
}

// element looks at one element of a leaf, and into a bucket.
func (w *walk) element(flags uint32, k, v []byte, depth int) error {
	if err := w.inOrder(k); err != nil || bytes.Compare(k, w.floor) < 0 {
		return errPage
	}
	w.last = k
	if depth > 0 && flags&1 == 0 {
		return nil
	}
	if depth > 0 || flags != 1 || !bytes.Equal(k, letters) && !bytes.Equal(k, quarantine) {
		return errPage // there are two buckets, and none inside
	}
	b, count, root, err := inline(v)
	if err != nil {
		return err
	}
	in := walk{im: w.im, free: w.free, seen: w.seen}
	if root != 0 {
		return in.visit(root, 1)
	}
	return leaf(b, count, func(flags uint32, k, v []byte) error { return in.element(flags, k, v, 1) })
}
