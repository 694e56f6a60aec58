// SPDX-License-Identifier: Apache-2.0

package cbor

import (
	"encoding/binary"
	"fmt"

	"github.com/plexus-ipc/plexus/codec"
)

// The major types of CBOR that are not plain numbers.
const (
	majorBytes = 2 + iota
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// Tags with a meaning here.
const (
	tagDate      = 0
	tagShareable = 28
	tagReference = 29
	tagSet       = 258
)

// problem is why scan refuses a document.
type problem struct {
	reason codec.Reason
	at     int
	what   string
}

func (p *problem) Error() string { return fmt.Sprintf("byte %d: %s", p.at, p.what) }

// frame is a container that scan is inside of.
type frame struct {
	left    uint64 // items to come; of an indefinite one, items seen
	endless bool   // indefinite length, ended by a break
	isMap   bool
}

// key reports whether the next item of f is a map key.
func (f *frame) key() bool { return f.isMap && f.left%2 == 0 }

// scanner walks over a document without recursion and, up to depth 32, without allocation.
type scanner struct {
	data  []byte
	i     int
	depth int
	stack []frame
	text  bool
}

// scan checks, before anything is made from data, that it is one item, that every length and
// count is covered by bytes that are there, that nothing is nested deeper than depth, and
// that there are no shared references. The rest of well-formedness is left to the library.
// text reports whether all map keys are text.
func scan(data []byte, depth int) (text bool, p *problem) {
	var room [codec.MaxDepth]frame
	s := scanner{data: data, depth: depth, stack: room[:0], text: true}
	for {
		if p := s.item(); p != nil {
			return false, p
		}
		if len(s.stack) == 0 {
			break
		}
	}
	if s.i < len(data) {
		return false, s.malformed("something follows the value")
	}
	return s.text, nil
}

func (s *scanner) malformed(what string) *problem { return &problem{codec.Malformed, s.i, what} }

// item steps over one head and what belongs to it, and closes what is complete then.
func (s *scanner) item() *problem {
	if s.i >= len(s.data) {
		return s.malformed("cut short")
	}
	major, info := s.data[s.i]>>5, s.data[s.i]&31
	if info == 31 {
		return s.endless(major)
	}
	if major != majorText && s.inKey() {
		s.text = false
	}
	arg, p := s.argument(info)
	if p != nil {
		return p
	}
	switch major {
	case majorBytes, majorText:
		return s.skip(arg)
	case majorArray:
		return s.open(frame{left: arg}, arg)
	case majorMap:
		return s.open(frame{left: 2 * arg, isMap: true}, arg)
	case majorTag:
		return s.tag(arg)
	}
	return s.done()
}

func (s *scanner) inKey() bool { return len(s.stack) > 0 && s.stack[len(s.stack)-1].key() }

// argument steps over a head and returns its number.
func (s *scanner) argument(info byte) (uint64, *problem) {
	s.i++
	if info < 24 {
		return uint64(info), nil
	}
	n := 1 << (info - 24)
	if info > 27 {
		return 0, s.malformed("reserved length")
	}
	if len(s.data)-s.i < n {
		return 0, s.malformed("cut short")
	}
	var wide [8]byte
	copy(wide[8-n:], s.data[s.i:s.i+n])
	s.i += n
	return binary.BigEndian.Uint64(wide[:]), nil
}

// skip steps over the content of a string.
func (s *scanner) skip(n uint64) *problem {
	if n > uint64(len(s.data)-s.i) {
		return s.malformed("a string is longer than what is there")
	}
	s.i += int(n)
	return s.done()
}

// open enters a container with count elements, pairs or contents.
func (s *scanner) open(f frame, count uint64) *problem {
	if len(s.stack) >= s.depth {
		return &problem{codec.TooDeep, s.i, fmt.Sprintf("nested deeper than %d", s.depth)}
	}
	if rest := uint64(len(s.data) - s.i); count > rest || f.left > rest { // 2*count may have wrapped
		return s.malformed("a count is larger than what is there")
	}
	if f.left == 0 && !f.endless {
		return s.done()
	}
	s.stack = append(s.stack, f)
	return nil
}

func (s *scanner) tag(number uint64) *problem {
	if number == tagShareable || number == tagReference {
		return &problem{codec.Unsupported, s.i, "shared references are not carried"}
	}
	if number == tagDate && !fourDigits(s.data[s.i:]) {
		return &problem{codec.Mismatch, s.i, "a date outside of the years 0 to 9999"}
	}
	return s.open(frame{left: 1}, 1)
}

// fourDigits reports whether the text that begins data, if it is one with a short head, can
// be a date of RFC 3339. The library writes years of five digits, which nobody reads.
func fourDigits(data []byte) bool {
	switch {
	case len(data) > 6 && data[0] == 0x78:
		return data[6] == '-'
	case len(data) > 5 && data[0]>>5 == majorText && data[0] < 0x78:
		return data[5] == '-'
	}
	return true
}

// endless handles the heads with info 31: indefinite containers, and the break.
func (s *scanner) endless(major byte) *problem {
	if major != majorText && major != majorSimple && s.inKey() {
		s.text = false
	}
	switch major {
	case majorBytes, majorText, majorArray, majorMap:
		s.i++
		return s.open(frame{endless: true, isMap: major == majorMap}, 0)
	case majorSimple:
		return s.end()
	}
	return s.malformed("reserved length")
}

// end handles a break.
func (s *scanner) end() *problem {
	n := len(s.stack) - 1
	if n < 0 || !s.stack[n].endless || s.stack[n].isMap && s.stack[n].left%2 == 1 {
		return s.malformed("a break where none belongs")
	}
	s.i++
	s.stack = s.stack[:n]
	return s.done()
}

// done counts a complete item in what contains it, and closes what is full.
func (s *scanner) done() *problem {
	for n := len(s.stack) - 1; n >= 0; n-- {
		f := &s.stack[n]
		if f.endless {
			f.left++
			return nil
		}
		if f.left--; f.left > 0 {
			return nil
		}
		s.stack = s.stack[:n]
	}
	return nil
}
