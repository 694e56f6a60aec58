// SPDX-License-Identifier: Apache-2.0

package bulletin

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/operation"
)

// Bounds of a log line on the board.
const (
	maxAttrs = 32
	maxText  = 1024 // bytes
)

// Log returns a logger that writes to next and posts every line from a level on, whatever
// next thinks of it. Lines below that level go to next alone. A logger that Log has returned
// is returned as it is.
func (b *Board) Log(next *slog.Logger, from slog.Level) *slog.Logger {
	if h, ok := next.Handler().(*handler); ok && h.board == b {
		return next // no line twice
	}
	return slog.New(&handler{board: b, next: next.Handler(), from: from})
}

// handler is a slog.Handler, immutable.
type handler struct {
	board  *Board
	next   slog.Handler
	from   slog.Level
	prefix string // of the names of attributes: the groups, each with a dot
	attrs  []slog.Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.posts(l) || h.next.Enabled(ctx, l)
}

func (h *handler) posts(l slog.Level) bool { return l >= h.from && h.board.Wants(Logs) }

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.posts(r.Level) {
		level := levelOf(r.Level)
		h.board.Post(Logs, level, func(_ time.Time, held uint64) any {
			line := operation.LogLine{Time: r.Time, Level: level, Message: cut(r.Message), Held: held}
			line.Attrs = h.flatten(&r)
			return line
		})
	}
	if h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.next = h.next.WithAttrs(attrs)
	n.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		n.attrs = append(n.attrs, a)
	}
	return &n
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	n := *h
	n.next = h.next.WithGroup(name)
	if name != "" {
		n.prefix = h.prefix + name + "."
	}
	return &n
}

// flatten returns the attributes of a line by their names.
func (h *handler) flatten(r *slog.Record) map[string]any {
	all := make(map[string]any)
	for _, a := range h.attrs {
		put(all, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		put(all, h.prefix, a)
		return len(all) < maxAttrs
	})
	if len(all) == 0 {
		return nil
	}
	return all
}

func put(to map[string]any, prefix string, a slog.Attr) {
	if len(to) >= maxAttrs {
		return
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		for _, in := range v.Group() {
			put(to, prefix+a.Key+".", in)
		}
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		to[prefix+a.Key] = v.Any()
	default:
		to[prefix+a.Key] = cut(v.String())
	}
}

// cut bounds a text.
func cut(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

func levelOf(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
