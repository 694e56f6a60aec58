// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// publisher is what the publisher has found, for both phases.
type publisher struct {
	Longest [2]time.Duration // that a Publish took
	Late    [2]int           // publications that began a whole interval late
}

// subscriber is what a subscriber has found.
type subscriber struct {
	Got, Dropped int
	Disordered   int                // publications where another was due
	Latencies    [2][]time.Duration // of each publication, by phase
}

// child is the main function of a child process.
func child(role, spec string) {
	var s settings
	err := json.Unmarshal([]byte(spec), &s)
	if n, ok := strings.CutPrefix(role, "subscribers:"); ok && err == nil {
		var many int
		if many, err = strconv.Atoi(n); err == nil {
			err = s.subscribers(many)
		}
	} else if err == nil {
		err = s.publish()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
}

// publish publishes, a phase for each line on stdin but the last.
func (s *settings) publish() error {
	ctx := context.Background()
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	session, err := c.Session(ctx)
	if err != nil {
		return err
	}
	ch := c.Channel("bench")
	if _, err := plexus.Declare(ch, "t"); err != nil {
		return err
	}
	fmt.Println("ready")
	var p publisher
	number := 0
	orders := bufio.NewScanner(os.Stdin)
	for phase, n := range []int{s.Baseline, s.Stopped} {
		if !orders.Scan() {
			return orders.Err()
		}
		pace := time.NewTicker(s.Every)
		for range n {
			due := <-pace.C
			now := time.Now()
			if now.Sub(due) > s.Every {
				p.Late[phase]++
			}
			if err := plexus.Publish(ctx, ch, "t", s.payload(number, phase, now)); err != nil {
				return err
			}
			p.Longest[phase] = max(p.Longest[phase], time.Since(now))
			number++
		}
		pace.Stop()
		if err := session.Ping(ctx); err != nil { // the hub has all
			return err
		}
		fmt.Println("done")
	}
	if orders.Scan() {
		if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
			return err
		}
	}
	orders.Scan() // until the parent has all
	return nil
}

const headBytes = 24

func (s *settings) payload(number, phase int, now time.Time) []byte {
	b := make([]byte, max(s.Bytes, headBytes))
	binary.LittleEndian.PutUint64(b, uint64(number))
	binary.LittleEndian.PutUint64(b[8:], uint64(phase))
	binary.LittleEndian.PutUint64(b[16:], uint64(now.UnixNano()))
	return b
}

// subscribers runs n subscribers, each with a connection of its own.
func (s *settings) subscribers(n int) error {
	ctx := context.Background()
	found := make([]subscriber, n)
	failed := make(chan error, n)
	var ready, all sync.WaitGroup
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			if err := s.subscribe(ctx, &found[i], ready.Done); err != nil {
				failed <- err
			}
		})
	}
	ready.Wait()
	fmt.Println("ready")
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func (s *settings) subscribe(ctx context.Context, found *subscriber, ready func()) error {
	ready = sync.OnceFunc(ready)
	defer ready()
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	sub, err := c.Channel("bench").Subscribe(ctx, "t", service.SubscribeOptions{Policy: s.Policy, Queue: s.Queue})
	if err != nil {
		return err
	}
	ready()
	for found.Got+int(sub.Dropped()) < s.total() {
		p, err := look(ctx, sub)
		if errors.Is(err, status.DeadlineExceeded) {
			continue // what is missing at the end comes with no publication
		}
		if err != nil {
			return fmt.Errorf("after %d publications and %d dropped: %w", found.Got, found.Dropped, err)
		}
		now := time.Now()
		found.Dropped += int(p.Dropped)
		if binary.LittleEndian.Uint64(p.Payload) != uint64(found.Got+found.Dropped) {
			found.Disordered++
		}
		found.Got++
		phase := binary.LittleEndian.Uint64(p.Payload[8:])
		sent := time.Unix(0, int64(binary.LittleEndian.Uint64(p.Payload[16:])))
		found.Latencies[phase] = append(found.Latencies[phase], now.Sub(sent))
	}
	found.Dropped = int(sub.Dropped())
	return nil
}

// look waits a while for the next publication.
func look(ctx context.Context, sub *service.Subscription) (*service.Publication, error) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	return sub.Borrow(ctx)
}
