// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// Words has methods of three of the forms that service.AddMethods takes.
type Words struct{}

func (Words) Length(_ context.Context, s string) (int, error) { return len(s), nil }

func (Words) Letters(_ context.Context, s string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, r := range s {
			if !yield(string(r), nil) {
				return
			}
		}
	}
}

func (Words) Join(_ context.Context, items iter.Seq2[string, error]) (string, error) {
	all := ""
	for s, err := range items {
		if err != nil {
			return "", err
		}
		all += s
	}
	return all, nil
}

// A service is collected first and offered later: all of it or nothing. Client, channel and
// server take it.
func Example_service() {
	svc := service.New()
	fatal(svc.AddMethods(Words{}, map[string]string{"Length": "len"}))
	_, err := plexus.Declare(svc, "news")
	fatal(err)
	_, err = plexus.Handle(svc, "add", add)
	fatal(err)

	srv, c := served("mem://example-service")
	defer srv.Close()
	defer c.Close()
	ctx := context.Background()
	offered, err := svc.Attach(ctx, srv)
	fatal(err)

	fmt.Println(plexus.Call[int](ctx, c, "len", "hello"))
	for letter, err := range plexus.Stream[string](ctx, c, "letters", "abc") {
		fmt.Print(letter, " ", err, "\n")
	}
	_, err = svc.Attach(ctx, srv)
	fmt.Println(err)
	fatal(offered.Close(ctx))
	_, err = plexus.Call[int](ctx, c, "len", "hello")
	fmt.Println(status.CodeOf(err))
	// Output:
	// 5 <nil>
	// a <nil>
	// b <nil>
	// c <nil>
	// already_exists: method "join" is not attached, nor is the rest of the service: method "join" has a handler already
	// unknown_method
}
