// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func redisServer() lab.System {
	return lab.System{
		Name: "Redis", About: "go-redis; calls by lists (LPUSH, BRPOP; a connection that waits can do nothing else, so each caller has one of its own; the provider takes up to 64 at once); PUBLISH in pipelines of 64; nothing stored",
		Module: "github.com/redis/go-redis/v9", Program: "redis-server", Package: "redis-server", Schemes: []string{"unix", "tcp"}, Cannot: cannot(),
		Hub: redisHub, Provide: redisProvide, Dial: redisDial, Subscribe: redisSubscribe, Publish: redisPublish,
	}
}

func redisHub(j lab.Job) error {
	scheme, rest := lab.Split(j.At)
	where := "port 0\nunixsocket " + rest
	if scheme == "tcp" {
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return err
		}
		where = "bind " + host + "\nport " + port
	}
	config := where + "\nsave \"\"\nappendonly no\ndaemonize no\nlogfile /dev/null\nclient-output-buffer-limit pubsub 0 0 0\n"
	return become(config, "redis-server", configuration)
}

func redisConnect(j lab.Job, connections int) (*redis.Client, error) {
	network, address := lab.Split(j.At)
	c := redis.NewClient(&redis.Options{Network: network, Addr: address, PoolSize: connections, MinIdleConns: connections, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
	return c, lab.Retry(func() error { return c.Ping(context.Background()).Err() })
}

// batchSize is how many requests a provider takes at once, and how many publications go
// in a pipeline.
const batchSize = 64

func redisProvide(j lab.Job) error {
	c, err := redisConnect(j, 2)
	if err != nil {
		return err
	}
	ctx := context.Background()
	go func() {
		for {
			_, requests, err := c.BLMPop(ctx, time.Minute, "right", batchSize, "requests").Result()
			if err != nil {
				return
			}
			_, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, r := range requests { // number of the caller, payload
					p.LPush(ctx, "reply"+strconv.Itoa(int(binary.LittleEndian.Uint32([]byte(r)))), r[4:])
				}
				return nil
			})
			if err != nil {
				return
			}
		}
	}()
	return nil
}

func redisDial(j lab.Job) (*lab.Client, error) {
	c, err := redisConnect(j, j.Callers)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return &lab.Client{Call: func(i int, request []byte) ([]byte, error) {
		var answer *redis.StringSliceCmd
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.LPush(ctx, "requests", append(binary.LittleEndian.AppendUint32(nil, uint32(i)), request...))
			answer = p.BRPop(ctx, time.Minute, "reply"+strconv.Itoa(i))
			return nil
		})
		if err != nil {
			return nil, err
		}
		if v := answer.Val(); len(v) == 2 {
			return []byte(v[1]), nil
		}
		return nil, fmt.Errorf("redis answers %v", answer)
	}}, nil
}

func redisSubscribe(j lab.Job, got func(int, byte, int)) error {
	ctx := context.Background()
	for i := range j.Subscribers {
		c, err := redisConnect(j, 1)
		if err != nil {
			return err
		}
		sub := c.Subscribe(ctx, "ticks")
		if _, err := sub.Receive(ctx); err != nil {
			return err
		}
		go func() {
			for {
				m, err := sub.ReceiveMessage(ctx)
				if err != nil {
					return
				}
				got(i, m.Payload[0], 1)
			}
		}()
	}
	return nil
}

func redisPublish(j lab.Job) (*lab.Publisher, error) {
	c, err := redisConnect(j, 1)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	p := c.Pipeline()
	flush := func() error {
		_, err := p.Exec(ctx)
		return err
	}
	return &lab.Publisher{Flush: flush, Publish: func(m []byte) error {
		p.Publish(ctx, "ticks", string(m))
		if p.Len() < batchSize {
			return nil
		}
		return flush()
	}}, nil
}
