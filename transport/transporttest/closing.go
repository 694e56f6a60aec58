// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

// testClose: whoever closes gets net.ErrClosed, the other one io.EOF.
func testClose(t *testing.T, f *Factory) {
	run(t, f, "Close/pending Recv", closePending)
	run(t, f, "Close/twice", closeTwice)
	run(t, f, "Close/peer", closePeer)
	run(t, f, "Close/after sending", closeAfterSend)
	run(t, f, "Close/with unread frames", closeUnread)
	run(t, f, "Close/at any moment", closeAnytime)
	if f.UnboundedSend {
		lacks(t, "Close/pending Send", "Send never waits")
		return
	}
	run(t, f, "Close/pending Send", closePendingSend)
}

// recvErr receives and returns the error, which must not be nil.
func recvErr(c transport.Conn) error {
	b, err := c.Recv()
	if b != nil {
		b.Release()
		return errors.New("a frame instead of an error")
	}
	return err
}

func wantClosed(err error) error {
	if !errors.Is(err, net.ErrClosed) {
		return errorf("%v instead of net.ErrClosed", err)
	}
	return nil
}

func wantEOF(err error) error {
	if err != io.EOF {
		return errorf("%v instead of io.EOF", err)
	}
	return nil
}

func closePending(b *bench) {
	started := make(chan struct{})
	done := b.start(func() error { close(started); return wantClosed(recvErr(b.a)) })
	<-started
	runtime.Gosched()
	b.soon("Close", b.a.Close)
	b.within("pending Recv", done)
}

func closeTwice(b *bench) {
	for range 3 {
		b.soon("Close", b.a.Close)
	}
	b.soon("Recv", func() error { return wantClosed(recvErr(b.a)) })
	b.soon("Send", func() error { return wantClosed(b.a.Send(frame(8, 0))) })
	if r, ok := b.a.(transport.Readier); ok && r.Ready() {
		b.Fatal("Ready after Close")
	}
}

// closePeer: the end is seen by a pending Recv, again by a later one, and by sending.
func closePeer(b *bench) {
	done := b.start(func() error { return wantEOF(recvErr(b.b)) })
	b.soon("Close", b.a.Close)
	b.within("pending Recv", done)
	b.soon("later Recv", func() error { return wantEOF(recvErr(b.b)) })
	b.soon("Send", func() error {
		for range 1 << 20 {
			if err := b.b.Send(frame(1000, 0)); err != nil {
				return nil
			}
		}
		return errors.New("Send to a closed peer never fails")
	})
}

// closeAfterSend: what was sent before Close arrives.
func closeAfterSend(b *bench) {
	sizes := mixed(10, 20)
	sent := b.start(func() error {
		if err := b.a.Send(batch(sizes, 0)); err != nil {
			return err
		}
		return b.a.Close()
	})
	b.soon("receive", func() error { return expect(b.b, sizes, 0) })
	b.within("send", sent)
	b.soon("end", func() error { return wantEOF(recvErr(b.b)) })
}

// closeUnread: the closing end has not received all; the other end sees an end.
func closeUnread(b *bench) {
	must(b, b.b.Send(frame(100, 0)))
	must(b, b.a.Send(frame(100, 0)))
	must(b, b.a.Close())
	b.soon("Recv", func() error {
		err := recvErr(b.b)
		if err != nil && err.Error() == "a frame instead of an error" {
			err = recvErr(b.b)
		}
		if b.f.ResetOnClose && err != nil {
			return nil
		}
		return wantEOF(err)
	})
}

// closePendingSend: a Send that waits for room ends.
func closePendingSend(b *bench) {
	p := batch(mixed(11, 50), 0)
	done := b.start(func() error {
		for sent := 0; sent < tooMuch; sent += len(p) {
			if err := b.a.Send(p); err != nil {
				return wantClosed(err)
			}
		}
		return errors.New("Send takes everything: it must be bounded")
	})
	for range 100 {
		runtime.Gosched()
	}
	b.soon("Close", b.a.Close)
	b.within("pending Send", done)
}

// closeAnytime closes both ends while both send and receive.
func closeAnytime(b *bench) {
	var all []<-chan error
	for _, c := range []transport.Conn{b.a, b.b} {
		all = append(all,
			b.start(func() error {
				for c.Send(batch([]int{100, 5000, 8}, 0)) == nil {
				}
				return nil
			}),
			b.start(func() error {
				for {
					buf, err := c.Recv()
					if err != nil {
						return nil
					}
					buf.Release()
				}
			}))
	}
	for range 100 {
		runtime.Gosched()
	}
	first := b.start(b.a.Close)
	b.soon("Close", b.b.Close)
	b.within("Close", first)
	for _, done := range all {
		b.within("sender or receiver", done)
	}
}
