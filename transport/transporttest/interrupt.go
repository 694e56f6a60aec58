// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"errors"
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testInterrupt: each one is seen exactly once, and no byte is lost.
func testInterrupt(t *testing.T, f *Factory) {
	if !f.has(Interrupt) {
		lacks(t, "Interrupt", "no Interrupt declared")
		return
	}
	for name, test := range map[string]func(*bench){
		"before":       interruptBefore,
		"during":       interruptDuring,
		"with a frame": interruptWithFrame,
		"in a stream":  interruptStream,
		"closed":       interruptClosed,
	} {
		t.Run("Interrupt/"+name, func(t *testing.T) {
			leak.Check(t)
			a, b := f.pair(t)
			test(&bench{TB: t, f: f, a: a, b: b})
		})
	}
}

func (b *bench) interrupt() { b.b.(transport.Interrupter).Interrupt() }

// interrupted receives and wants nothing but ErrInterrupted.
func (b *bench) interrupted() error {
	buf, err := b.b.Recv()
	if buf != nil {
		buf.Release()
		return errors.New("a frame instead of ErrInterrupted")
	}
	if !errors.Is(err, transport.ErrInterrupted) {
		return errorf("%v instead of ErrInterrupted", err)
	}
	return nil
}

// interruptBefore: several before a Recv count once, also with a frame buffered.
func interruptBefore(b *bench) {
	for i := range 100 {
		b.interrupt()
		b.interrupt()
		b.soon("interrupted", b.interrupted)
		must(b, b.a.Send(batch([]int{20, 30}, i)))
		b.soon("first frame", func() error { return expect(b.b, []int{20}, i) })
		b.interrupt()
		b.soon("interrupted", b.interrupted)
		b.soon("second frame", func() error { return expect(b.b, []int{30}, i+1) })
	}
}

// interruptDuring: a pending or just beginning Recv returns.
func interruptDuring(b *bench) {
	for i := range 1000 {
		done := b.start(b.interrupted)
		for range i % 20 {
			runtime.Gosched()
		}
		b.interrupt()
		b.within("pending Recv", done)
		if i%10 == 0 {
			must(b, b.a.Send(frame(50, i)))
			b.soon("frame after it", func() error { return expect(b.b, []int{50}, i) })
		}
	}
}

// interruptWithFrame: a frame and an interrupt that come together are one of each.
func interruptWithFrame(b *bench) {
	for i := range 1000 {
		sent := b.start(func() error { return b.a.Send(frame(50, i)) })
		raised := b.start(func() error { b.interrupt(); return nil })
		b.soon("both", func() error { return b.frameAndInterrupt(i) })
		b.within("send", sent)
		b.within("interrupt", raised)
	}
}

func (b *bench) frameAndInterrupt(n int) error {
	frames, interrupts := 0, 0
	for frames+interrupts < 2 {
		buf, err := b.b.Recv()
		switch {
		case errors.Is(err, transport.ErrInterrupted):
			interrupts++
		case err != nil:
			return err
		default:
			frames++
			err = check(buf.Bytes(), 50, n)
			buf.Release()
			if err != nil {
				return err
			}
		}
	}
	if frames != 1 {
		return errorf("%d frames and %d interrupts, want one of each", frames, interrupts)
	}
	return nil
}

// interruptStream: frames under way survive many interrupts.
func interruptStream(b *bench) {
	sizes := mixed(9, 500)
	sent := b.start(func() error {
		for i, size := range sizes {
			if err := b.a.Send(frame(size, i)); err != nil {
				return err
			}
		}
		return nil
	})
	stop := make(chan struct{})
	raised := b.start(func() error { return b.raiseUntil(stop) })
	b.soon("receive", func() error {
		for i := 0; i < len(sizes); {
			err := expect(b.b, sizes[i:i+1], i)
			switch {
			case err == nil:
				i++
			case !errors.Is(err, transport.ErrInterrupted):
				return err
			}
		}
		return nil
	})
	close(stop)
	b.within("send", sent)
	b.within("interrupt", raised)
}

func (b *bench) raiseUntil(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
			b.interrupt()
			runtime.Gosched()
		}
	}
}

// interruptClosed: Close wins, and an Interrupt after it does no harm.
func interruptClosed(b *bench) {
	must(b, b.b.Close())
	b.interrupt()
	b.soon("Recv", func() error { return wantClosed(recvErr(b.b)) })
}
