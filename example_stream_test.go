// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// The consumer sets the pace, and tells the producer to stop by leaving the loop.
func ExampleStream() {
	srv, c := served("mem://example-stream")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleStream(srv, "fibonacci", func(_ context.Context, a int, send func(int) error) error {
		for b := a; ; a, b = b, a+b {
			if err := send(a); err != nil {
				return err // the consumer has gone
			}
		}
	})
	fatal(err)

	for n, err := range plexus.Stream[int](context.Background(), c, "fibonacci", 1) {
		fatal(err)
		if n > 20 {
			break
		}
		fmt.Print(n, " ")
	}
	// Output: 1 1 2 3 5 8 13
}

// When the handler returns the stream ends; its error reaches the consumer.
func ExampleHandleStream() {
	srv, c := served("mem://example-handlestream")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleStream(srv, "words", func(_ context.Context, text string, send func(string) error) error {
		for word := range strings.FieldsSeq(text) {
			if err := send(word); err != nil {
				return err
			}
		}
		return status.Errorf(status.DataLoss, "the rest is lost")
	})
	fatal(err)

	for word, err := range plexus.Stream[string](context.Background(), c, "words", "to be or") {
		fmt.Printf("%q %v\n", word, err)
	}
	// Output:
	// "to" <nil>
	// "be" <nil>
	// "or" <nil>
	// "" data_loss: the rest is lost
}

// Many items up, one answer back.
func ExampleOpenUpload() {
	srv, c := served("mem://example-upload")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleUpload(srv, "total", func(_ context.Context, items iter.Seq2[int, error]) (int, error) {
		total := 0
		for n, err := range items {
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
	fatal(err)

	ctx := context.Background()
	up, err := plexus.OpenUpload[int, int](ctx, c, "total")
	fatal(err)
	defer up.Close()
	for n := range 101 {
		fatal(up.Send(ctx, n))
	}
	fmt.Println(up.Finish(ctx))
	// Output: 5050 <nil>
}

// Items both ways, each side at its own pace.
func ExampleOpen() {
	srv, c := served("mem://example-open")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleDuplex(srv, "length", func(ctx context.Context, d *plexus.Duplex[int, string]) error {
		for s, err := range d.All(ctx) {
			if err != nil {
				return err
			}
			if err := d.Send(ctx, len(s)); err != nil {
				return err
			}
		}
		return nil
	})
	fatal(err)

	ctx := context.Background()
	d, err := plexus.Open[string, int](ctx, c, "length")
	fatal(err)
	defer d.Close()
	for _, s := range []string{"a", "bb", "ccc"} {
		fatal(d.Send(ctx, s))
	}
	fatal(d.CloseSend())
	for n, err := range d.All(ctx) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// A stream of bytes for everything that takes an io.Reader or io.Writer.
func ExampleBytes() {
	srv, c := served("mem://example-bytes")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleDuplex(srv, "shout", func(ctx context.Context, d *plexus.Duplex[[]byte, []byte]) error {
		lines := bufio.NewScanner(plexus.Bytes(ctx, d))
		for lines.Scan() {
			if err := d.Send(ctx, []byte(strings.ToUpper(lines.Text())+"!\n")); err != nil {
				return err
			}
		}
		return lines.Err()
	})
	fatal(err)

	ctx := context.Background()
	d, err := plexus.Open[[]byte, []byte](ctx, c, "shout")
	fatal(err)
	defer d.Close()
	stream := plexus.Bytes(ctx, d)
	_, err = io.WriteString(stream, "hello\nworld\n")
	fatal(err)
	fatal(stream.Close())
	all, err := io.ReadAll(stream)
	fmt.Print(string(all))
	fmt.Println(err)
	// Output:
	// HELLO!
	// WORLD!
	// <nil>
}
