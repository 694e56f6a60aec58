// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"errors"
	"os"
	"time"
)

// pipe are our ends of a child's standard input and output. What the child prints before
// its first frame is no part of the protocol: skip takes it out.
type pipe struct {
	r, w *os.File
	head []byte // read too far
}

// preface is what every conversation begins with: the length of the first frame, and the
// name of the protocol.
var preface = []byte("\x10\x00\x00\x00PLEXUS")

// skip reads until the first frame and gives what comes before to stray. It ends early with
// the error of a Read.
func (p *pipe) skip(stray *lines) error {
	defer stray.end()
	buf := make([]byte, 0, 32<<10)
	for {
		n, err := p.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if i := bytes.Index(buf, preface); i >= 0 {
			_, _ = stray.Write(buf[:i])
			p.head = append(p.head, buf[i:]...)
			return nil
		}
		if err != nil {
			_, _ = stray.Write(buf)
			return err
		}
		// The preface may be cut in two.
		told := max(len(buf)-len(preface)+1, 0)
		_, _ = stray.Write(buf[:told])
		buf = buf[:copy(buf, buf[told:])]
	}
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		if p.head = p.head[n:]; len(p.head) == 0 {
			p.head = nil
		}
		return n, nil
	}
	return p.r.Read(b)
}

// SetReadDeadline lets a Read be ended without loss.
func (p *pipe) SetReadDeadline(t time.Time) error { return p.r.SetReadDeadline(t) }

// Close closes our ends.
func (p *pipe) Close() error {
	var errs []error
	for _, f := range []*os.File{p.r, p.w} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
