// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// deaf offers a method that hears of no cancellation, and returns what lets its calls go.
func deaf(t *testing.T, p plexus.Provider) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	_, err := plexus.Handle(p, "deaf", func(_ context.Context, n int) (int, error) { <-gate; return n, nil })
	must(t, err)
	return func() { close(gate) }
}

// A call that was begun ends for its caller in time, by its answer, by Cancel, by its deadline
// or with its context, whatever the handler does.
func TestFutureEnds(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		release := deaf(t, p)
		b := plexus.Bind[int, int](c, "deaf")
		late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		left, leave := context.WithCancel(t.Context())
		timed, abandoned, given, answered := b.Go(late, 1), b.Go(left, 2), b.Go(t.Context(), 3), b.Go(t.Context(), 4)
		leave()
		given.Cancel()
		given.Cancel()
		for _, e := range []struct {
			f    *plexus.Future[int]
			code status.Code
		}{{timed, status.DeadlineExceeded}, {abandoned, status.Cancelled}, {given, status.Cancelled}} {
			<-e.f.Done()
			for range 2 {
				if _, err := e.f.Wait(t.Context()); !errors.Is(err, e.code) {
					t.Fatalf("%v, want %v", err, e.code)
				}
			}
			e.f.Cancel() // harmless
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := answered.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		select {
		case <-answered.Done():
			t.Fatal("it ended with the wait for it")
		default:
		}
		dropped := b.Go(t.Context(), 5) // nobody asks for the answer
		release()
		if n, err := answered.Wait(t.Context()); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		answered.Cancel()
		if n, err := answered.Wait(t.Context()); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		_ = dropped
	})
}

// Many calls are begun and chosen from as they end.
func TestFutureSelect(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		_, err := plexus.Handle(p, "square", func(_ context.Context, n int) (int, error) { return n * n, nil })
		must(t, err)
		release := deaf(t, p)
		defer release()
		slow := plexus.Bind[int, int](c, "deaf").Go(t.Context(), 1)
		defer slow.Cancel()
		b := plexus.Bind[int, int](c, "square")
		var all []*plexus.Future[int]
		for i := range 100 {
			all = append(all, b.Go(t.Context(), i))
		}
		for i, f := range all {
			select {
			case <-slow.Done():
				t.Fatal("the deaf one answered")
			case <-f.Done():
			}
			if n, err := f.Wait(t.Context()); n != i*i || err != nil {
				t.Fatal(n, err)
			}
		}
	})
}

// An untyped caller and an untyped provider speak with typed ones.
func TestUntypedBesideTyped(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ctx := t.Context()
		_, err := plexus.Handle(p, "add", add)
		must(t, err)
		_, err = plexus.Handle(p, "any", func(_ context.Context, in any) (any, error) { return in, nil })
		must(t, err)
		_, err = plexus.Handle(p, "map", func(_ context.Context, in map[string]int) (map[string]int, error) {
			return map[string]int{"Sum": in["A"] + in["B"]}, nil
		})
		must(t, err)
		for _, method := range []string{"add", "map"} {
			sum, err := plexus.Call[Sum](ctx, c, method, map[string]any{"A": 20, "B": 22})
			must(t, err)
			m, err := plexus.Call[map[string]int](ctx, c, method, Add{20, 22})
			must(t, err)
			a, err := plexus.Call[any](ctx, c, method, Add{20, 22})
			must(t, err)
			if sum.Sum != 42 || m["Sum"] != 42 || fmt.Sprint(a) != "map[Sum:42]" {
				t.Fatal(sum, m, a)
			}
		}
		f := plexus.Bind[any, any](c, "add").Go(ctx, map[string]any{"A": 1, "B": 2})
		if a, err := f.Wait(ctx); err != nil || fmt.Sprint(a) != "map[Sum:3]" {
			t.Fatal(a, err)
		}
		if b, err := plexus.Call[[]byte](ctx, c, "any", []byte{1, 2}); err != nil || len(b) != 2 {
			t.Fatal(b, err)
		}
		if _, err := plexus.Call[any](ctx, c, "add", map[string]any{"A": "text"}); !errors.Is(err, status.InvalidArgument) {
			t.Fatal(err)
		}
		if _, err := plexus.Call[any](ctx, c, "add", []byte("raw")); !errors.Is(err, status.InvalidArgument) {
			t.Fatal(err)
		}
	})
}

// Bytes go to methods that answer with something else, and the other way round.
func TestBytesBesideValues(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ctx := t.Context()
		_, err := plexus.Handle(p, "len", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
		must(t, err)
		_, err = plexus.Handle(p, "make", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
		must(t, err)
		_, err = plexus.HandleUpload(p, "sum", func(_ context.Context, items iter.Seq2[[]byte, error]) (int, error) {
			n := 0
			for b, err := range items {
				if err != nil {
					return 0, err
				}
				n += len(b)
			}
			return n, nil
		})
		must(t, err)
		_, err = plexus.HandleStream(p, "bytes", func(_ context.Context, b []byte, send func(int) error) error {
			for _, v := range b {
				if err := send(int(v)); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		if n, err := plexus.Call[int](ctx, c, "len", make([]byte, 7)); n != 7 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := plexus.Bind[[]byte, int](c, "len").Call(ctx, make([]byte, 8)); n != 8 || err != nil {
			t.Fatal(n, err)
		}
		if b, err := plexus.Call[[]byte](ctx, c, "make", 9); len(b) != 9 || err != nil {
			t.Fatal(b, err)
		}
		up, err := plexus.OpenUpload[[]byte, int](ctx, c, "sum")
		must(t, err)
		for range 3 {
			must(t, up.Send(ctx, make([]byte, 100_000)))
		}
		if n, err := up.Finish(ctx); n != 300_000 || err != nil {
			t.Fatal(n, err)
		}
		sum := 0
		for n, err := range plexus.Stream[int](ctx, c, "bytes", []byte{1, 2, 3}) {
			must(t, err)
			sum += n
		}
		if sum != 6 {
			t.Fatal(sum)
		}
	})
}

// Whoever gives a call up first, its answer included: it ends once.
func TestFutureEndsOnce(t *testing.T) {
	srv, c := connect(t, path(t), nil, nil)
	_, err := plexus.Handle(srv, "echo", func(_ context.Context, n int) (int, error) { return n, nil })
	must(t, err)
	b := plexus.Bind[int, int](c, "echo")
	for i := range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		f := b.Go(ctx, i)
		var wg sync.WaitGroup
		wg.Go(cancel)
		wg.Go(f.Cancel)
		wg.Go(f.Cancel)
		n, err := f.Wait(t.Context())
		wg.Wait()
		if again, err2 := f.Wait(t.Context()); again != n || (err == nil) != (err2 == nil) {
			t.Fatal(n, err, again, err2)
		}
		if err == nil && n != i || err != nil && !errors.Is(err, status.Cancelled) {
			t.Fatal(n, err)
		}
	}
}
