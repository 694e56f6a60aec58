// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// output gets what a child prints on both streams.
type output struct {
	cfg *Config

	mu   sync.Mutex
	said string // the last line of standard error that is not empty
}

// maxSaid is how much of the last words is kept, in bytes.
const maxSaid = 512

// tell hands a line on. Lines come one at a time.
func (o *output) tell(l Line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if text := strings.TrimSpace(l.Text); l.Stderr && text != "" {
		o.said = strings.ToValidUTF8(text[:min(len(text), maxSaid)], "")
	}
	if o.cfg.Output != nil {
		o.cfg.Output(l)
		return
	}
	stream := "stdout"
	if l.Stderr {
		stream = "stderr"
	}
	o.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "child prints", slog.String("child", o.cfg.Name), slog.String("stream", stream), slog.String("text", l.Text))
}

// last returns the last words.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said
}

// stream returns a writer that cuts into lines.
func (o *output) stream(stderr bool) *lines {
	return &lines{max: o.cfg.MaxLine, tell: func(text []byte, more bool) {
		o.tell(Line{Text: string(text), Stderr: stderr, More: more})
	}}
}

// lines cuts what is written into lines of at most max bytes. One goroutine writes.
type lines struct {
	max  int
	tell func(text []byte, more bool)
	rest []byte // at most max bytes
}

// Write implements io.Writer. It never fails.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, ended := bytes.Cut(p, []byte{'\n'})
		if room := l.max - len(l.rest); len(line) > room {
			l.rest = append(l.rest, p[:room]...)
			p = p[room:]
			l.flush(true)
			continue
		}
		l.rest = append(l.rest, line...)
		p = after
		if ended {
			l.rest = bytes.TrimSuffix(l.rest, []byte{'\r'})
			l.flush(false)
		}
	}
	return n, nil
}

func (l *lines) flush(more bool) {
	l.tell(l.rest, more)
	l.rest = l.rest[:0]
}

// end tells what has no line feed.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.flush(false)
	}
}

const (
	// holdUp is how long is waited for more of what a child has printed or sent, after it
	// and its group have ended, while somebody out of reach holds the pipe open.
	holdUp = 200 * time.Millisecond
	// maxLate is how much of that is still taken, in bytes: a pipe holds less.
	maxLate = 1 << 20
)

// printed is our end of a pipe that a child prints to.
type printed struct {
	r     *os.File
	lines *lines
}

// read tells lines until the pipe ends. After exited was closed, which wake tells, it takes what
// is there, and waits no longer than holdUp for more. It closes the pipe.
func (p *printed) read(exited <-chan struct{}) {
	defer p.r.Close()
	defer p.lines.end()
	buf := make([]byte, 32<<10)
	late, waits := 0, 0
	for late < maxLate && waits < 2 {
		over := isClosed(exited)
		if over {
			_ = p.r.SetReadDeadline(time.Now().Add(holdUp)) // or the pipe ends with its last holder
		}
		n, err := p.r.Read(buf)
		_, _ = p.lines.Write(buf[:n])
		switch {
		case over && errors.Is(err, os.ErrDeadlineExceeded): // the first may be of wake
			waits++
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return
		case over:
			late += n
		}
	}
}

// wake has read see that the child has ended.
func (p *printed) wake() { _ = p.r.SetReadDeadline(time.Unix(1, 0)) }
