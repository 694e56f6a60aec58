// SPDX-License-Identifier: Apache-2.0

// Package ours is Plexus as a system of the comparison: through its exported facade, with
// the raw codec and default settings.
package ours

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/session"
)

// System returns Plexus. A further transport needs only its scheme here.
func System() lab.System {
	return lab.System{
		Name: "plexus", About: "bound calls and topics of the facade, raw codec, default settings",
		Schemes: []string{"unix", "tcp", "shm"},
		Serve:   serve, Hub: broker, Provide: provide, Dial: dial, Subscribe: subscribe, Publish: publish,
	}
}

const (
	channel = "bench"
	topic   = "ticks"
)

func serve(j lab.Job) error {
	srv, err := plexus.Listen(j.At, nil)
	if err != nil {
		return err
	}
	return offer(srv, j)
}

// offer offers what is measured.
func offer(p plexus.Provider, j lab.Job) error {
	_, err := plexus.Handle(p, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	if err != nil {
		return err
	}
	_, err = plexus.Handle(p, "mallocs", func(context.Context, []byte) ([]byte, error) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return binary.LittleEndian.AppendUint64(nil, m.Mallocs), nil
	})
	if err != nil {
		return err
	}
	_, err = plexus.Handle(p, "read", func(_ context.Context, in *session.Loan) ([]byte, error) {
		defer in.Release()
		return binary.LittleEndian.AppendUint64(nil, uint64(bytes.Count(in.Bytes(), []byte{'y'}))), nil
	})
	if err != nil {
		return err
	}
	_, err = plexus.HandleStream(p, "stream", func(_ context.Context, in []byte, send func([]byte) error) error {
		item := make([]byte, j.Bytes)
		for range binary.LittleEndian.Uint64(in) {
			if err := send(item); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func broker(j lab.Job) error {
	_, err := plexus.Listen(j.At, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	return err
}

func connect(j lab.Job) (*plexus.Client, error) {
	return plexus.Dial(context.Background(), j.At, nil)
}

func provide(j lab.Job) error {
	c, err := connect(j)
	if err != nil {
		return err
	}
	return offer(c.Channel(channel), j)
}

func dial(j lab.Job) (*lab.Client, error) {
	c, err := connect(j)
	if err != nil {
		return nil, err
	}
	to := plexus.Caller(c)
	if j.Hub {
		to = c.Channel(channel)
	}
	ctx := context.Background()
	echo := plexus.Bind[[]byte, []byte](to, "echo")
	return &lab.Client{
		Loan: loan(c, j.Bytes),
		Call: func(_ int, request []byte) ([]byte, error) { return echo.Call(ctx, request) },
		Stream: func(n int) error {
			got := 0
			for item, err := range plexus.Stream[[]byte](ctx, to, "stream", binary.LittleEndian.AppendUint64(nil, uint64(n))) {
				if err != nil {
					return err
				}
				if len(item) == j.Bytes {
					got++
				}
			}
			if got != n {
				return fmt.Errorf("%d items came, %d were asked for", got, n)
			}
			return nil
		},
		Mallocs: func() (uint64, error) {
			b, err := plexus.Call[[]byte](ctx, to, "mallocs", []byte{})
			if err != nil {
				return 0, err
			}
			return binary.LittleEndian.Uint64(b), nil
		},
	}, nil
}

// loan fills a block with n bytes and has it read.
func loan(c *plexus.Client, n int) func() error {
	content := bytes.Repeat([]byte{'x'}, n)
	read := plexus.Bind[*session.Loan, []byte](c, "read")
	return func() error {
		block, err := c.Lend(context.Background(), n)
		if err != nil {
			return err
		}
		lab.Copy(block.Bytes(), content)
		_, err = read.Call(context.Background(), block)
		return err
	}
}

func subscribe(j lab.Job, got func(int, byte, int)) error {
	for i := range j.Subscribers {
		c, err := connect(j)
		if err != nil {
			return err
		}
		sub, err := plexus.Subscribe[[]byte](context.Background(), c.Channel(channel), topic)
		if err != nil {
			return err
		}
		go func() {
			for message, err := range sub.All(context.Background()) {
				if errors.Is(err, io.EOF) || len(message) == 0 {
					return
				}
				got(i, message[0], 1)
			}
		}()
	}
	return nil
}

func publish(j lab.Job) (*lab.Publisher, error) {
	c, err := connect(j)
	if err != nil {
		return nil, err
	}
	ch := c.Channel(channel)
	if _, err := plexus.Declare(ch, topic); err != nil {
		return nil, err
	}
	return &lab.Publisher{Publish: func(m []byte) error {
		return plexus.Publish(context.Background(), ch, topic, m)
	}}, nil
}
