// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/session"
)

// reverse answers with the request's bytes in reverse, without a copy where it need not.
func reverse(ctx context.Context, in *session.Loan) (*session.Loan, error) {
	defer in.Release()
	out := session.LendFor(ctx, len(in.Bytes()))
	copy(out.Bytes(), in.Bytes())
	slices.Reverse(out.Bytes())
	return out, nil
}

// Loans are values like others: in calls, futures, streams, publications and events, and
// beside plain bytes at the other end.
func TestLoans(t *testing.T) {
	srv, c := connect(t, path(t), nil, nil)
	plexus.Handle(srv, "reverse", reverse)
	plexus.Handle(srv, "plain", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	plexus.HandleDuplex(srv, "echoes", func(ctx context.Context, d *plexus.Duplex[*session.Loan, *session.Loan]) error {
		for {
			in, err := d.Recv(ctx)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := d.Send(ctx, in); err != nil {
				return err
			}
		}
	})
	for _, n := range []int{0, 5, 64 << 10, 1 << 20} {
		loans(t, c, n)
	}
	if _, err := plexus.Call[*session.Loan](t.Context(), c, "plain", (*session.Loan)(nil)); err == nil {
		t.Error("nothing was sent, without an error")
	}
}

func loans(t *testing.T, c *plexus.Client, n int) {
	ctx := t.Context()
	fill := func() *session.Loan {
		l, err := c.Lend(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range l.Bytes() {
			l.Bytes()[i] = byte(i * 7)
		}
		return l
	}
	sample := fill()
	want := bytes.Clone(sample.Bytes())
	sample.Release()
	out, err := plexus.Call[*session.Loan](ctx, c, "plain", fill())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%d bytes: something else came back", n)
	}
	out.Release()
	d, err := plexus.Open[*session.Loan, *session.Loan](ctx, c, "echoes")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(ctx, fill()); err != nil {
		t.Fatal(err)
	}
	item, err := d.Recv(ctx)
	if err != nil || !bytes.Equal(item.Bytes(), want) {
		t.Errorf("%d bytes: another item came back, %v", n, err)
	}
	d.Close()
	slices.Reverse(want)
	out, err = plexus.Bind[*session.Loan, *session.Loan](c, "reverse").Go(ctx, fill()).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%d bytes: not the reverse", n)
	}
	out.Release()
}

// What a handler or a caller gets as bytes is its own, however it came.
func TestBytesArePrivate(t *testing.T) {
	srv, c := connect(t, path(t), nil, nil)
	var kept [][]byte
	plexus.Handle(srv, "keep", func(_ context.Context, in []byte) ([]byte, error) {
		kept = append(kept, in)
		return in, nil
	})
	var got [][]byte
	for i := range 64 {
		in := bytes.Repeat([]byte{byte(i)}, 1<<(i%20))
		out, err := plexus.Call[[]byte](t.Context(), c, "keep", in)
		if err != nil {
			t.Fatal(err)
		}
		clear(in)
		got = append(got, out)
	}
	for i := range got {
		want := bytes.Repeat([]byte{byte(i)}, 1<<(i%20))
		if !bytes.Equal(got[i], want) || !bytes.Equal(kept[i], want) {
			t.Fatalf("the bytes of call %d have changed later", i)
		}
	}
}

func ExampleHandle_loan() {
	srv, err := plexus.Listen("tcp://127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	plexus.Handle(srv, "reverse", reverse) // takes and returns a *session.Loan

	c, err := plexus.Dial(context.Background(), srv.Endpoints()[0], nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	frame, err := c.Lend(context.Background(), 11) // shared memory if there is any
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(frame.Bytes(), "dlrow olleh")
	out, err := plexus.Call[*session.Loan](context.Background(), c, "reverse", frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Release()
	fmt.Printf("%s\n", out.Bytes())
	// Output: hello world
}
