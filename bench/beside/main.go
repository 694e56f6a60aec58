// SPDX-License-Identifier: Apache-2.0

// Command beside measures small calls beside a large transfer and an unread stream on the
// same connection, in two processes: the row "small call beside a 1 GiB transfer" of the
// budgets.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus"
)

var (
	scheme = flag.String("transport", "unix", "unix, tcp, or any other scheme with a path")
	total  = flag.Int64("bytes", 1<<30, "how much is transferred beside the calls")
	piece  = flag.Int("piece", 1<<20, "bytes of one item of the transfer")
	serves = flag.String("serve", "", "internal: the address to serve")
)

func main() {
	flag.Parse()
	run := measure
	if *serves != "" {
		run = serve
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "beside:", err)
		os.Exit(1)
	}
}

func serve() error {
	srv, err := plexus.Listen(*serves, nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	_, err = plexus.Handle(srv, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	if err != nil {
		return err
	}
	_, err = plexus.HandleUpload(srv, "take", func(_ context.Context, items iter.Seq2[[]byte, error]) ([]byte, error) {
		for _, err := range items {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	_, err = plexus.HandleStream(srv, "endless", func(_ context.Context, _ []byte, send func([]byte) error) error {
		item := make([]byte, 1<<10)
		for {
			if err := send(item); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Println(srv.Endpoints()[0])
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent has gone
	return err
}

func measure() error {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address := *scheme + "://" + filepath.Join(dir, "s")
	if *scheme == "tcp" {
		address = "tcp://127.0.0.1:0"
	}
	child := exec.Command(os.Args[0], "-serve", address)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	defer func() { _ = child.Wait() }()
	defer in.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	return conversation(line[:len(line)-1])
}

// conversation has a client call alone, then beside everything else.
func conversation(address string) error {
	ctx := context.Background()
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	report("alone", calls(c, func(n int) bool { return n < 20000 }))

	unread, err := plexus.Open[[]byte, []byte](ctx, c, "endless")
	if err != nil {
		return err
	}
	defer unread.Close()
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- transfer(ctx, c) }()
	var failed error
	report("beside", calls(c, func(int) bool {
		select {
		case failed = <-done:
			return false
		default:
			return true
		}
	}))
	took := time.Since(began)
	fmt.Printf("%d MiB in %v: %.0f MiB/s\n", *total>>20, took.Round(time.Millisecond), float64(*total>>20)/took.Seconds())
	return failed
}

func transfer(ctx context.Context, c *plexus.Client) error {
	up, err := plexus.OpenUpload[[]byte, []byte](ctx, c, "take")
	if err != nil {
		return err
	}
	p := make([]byte, *piece)
	for sent := int64(0); sent < *total; sent += int64(len(p)) {
		if err := up.Send(ctx, p); err != nil {
			return err
		}
	}
	_, err = up.Finish(ctx)
	return err
}

func calls(c *plexus.Client, more func(n int) bool) []time.Duration {
	echo := plexus.Bind[[]byte, []byte](c, "echo")
	payload := make([]byte, 64)
	var took []time.Duration
	for n := 0; more(n); n++ {
		t := time.Now()
		if _, err := echo.Call(context.Background(), payload); err != nil {
			fmt.Fprintln(os.Stderr, "beside:", err)
			break
		}
		took = append(took, time.Since(t))
	}
	return took
}

func report(what string, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[min(int(q*float64(len(took))), len(took)-1)] }
	fmt.Printf("%-7s %7d calls  p50 %v  p99 %v  p99.9 %v  max %v\n", what, len(took), at(.5), at(.99), at(.999), took[len(took)-1])
}
