// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command stopped shows what one subscriber that has stopped does to the others. A publisher
// publishes at a steady pace to many subscribers, each with a connection of its own, in real
// processes; after a while the process of one of them is stopped (SIGSTOP), and at the end
// goes on (SIGCONT). It prints the latency of the others before and while it is stopped, how
// long the publisher was held up at most, and whether each publication to each subscriber is
// accounted for; it exits with 1 if one is not.
//
//	go run ./bench/stopped [-subscribers 100] [-bytes 20000] [-every 20ms] [-baseline 10s] [-stopped 60s] [-policy drop_oldest]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
)

// settings are what all processes know.
type settings struct {
	Address     string
	Subscribers int
	Processes   int // of those who are not stopped
	Bytes       int
	Every       time.Duration
	Baseline    int // publications before the stop, and …
	Stopped     int // … while it lasts
	Policy      string
	Queue       int
}

func (s *settings) total() int { return s.Baseline + s.Stopped }

func main() {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "role=") {
		child(strings.TrimPrefix(os.Args[1], "role="), os.Args[2])
		return
	}
	var s settings
	flag.IntVar(&s.Subscribers, "subscribers", 100, "subscribers, of which one is stopped")
	flag.IntVar(&s.Processes, "processes", 9, "processes that the others are in")
	flag.IntVar(&s.Bytes, "bytes", 20_000, "bytes of a publication")
	flag.DurationVar(&s.Every, "every", 20*time.Millisecond, "time between two publications")
	baseline := flag.Duration("baseline", 10*time.Second, "time before the stop")
	stopped := flag.Duration("stopped", 60*time.Second, "time of the stop")
	flag.StringVar(&s.Policy, "policy", operation.DropOldest, "policy of the subscriptions")
	flag.IntVar(&s.Queue, "queue", 0, "publications that may wait for each, 0 for the hub's default")
	flag.Parse()
	s.Baseline, s.Stopped = int(*baseline/s.Every), int(*stopped/s.Every)
	r, err := measure(s)
	if err == nil {
		r.print()
		err = r.check()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stopped:", err)
		os.Exit(1)
	}
}

// result is what was found.
type result struct {
	settings
	Others    []subscriber // those that went on
	Victim    subscriber
	Publisher publisher
	Status    operation.HubStatus
}

// measure runs all processes.
func measure(s settings) (r *result, err error) {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s.Address = "unix://" + filepath.Join(dir, "s")
	h := hub.New(hub.Config{})
	srv, err := plexus.Listen(s.Address, &plexus.ListenOptions{Hub: h})
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	c := &cast{s: &s}
	defer c.end()
	if err := c.start(); err != nil {
		return nil, err
	}
	r = &result{settings: s}
	if err := c.act(r); err != nil {
		return nil, err
	}
	r.Status = h.Status()
	return r, nil
}

// cast is the processes.
type cast struct {
	s                 *settings
	publisher, victim *process
	others            []*process
}

func (c *cast) start() (err error) {
	spec, err := json.Marshal(c.s)
	if err != nil {
		return err
	}
	if c.publisher, err = startProcess("publisher", string(spec)); err != nil {
		return err
	}
	if _, err := c.publisher.line(); err != nil { // the topic is declared
		return err
	}
	left := c.s.Subscribers - 1
	for i := range c.s.Processes {
		n := left / (c.s.Processes - i)
		left -= n
		p, err := startProcess(fmt.Sprintf("subscribers:%d", n), string(spec))
		if err != nil {
			return err
		}
		c.others = append(c.others, p)
	}
	if c.victim, err = startProcess("subscribers:1", string(spec)); err != nil {
		return err
	}
	for _, p := range append(c.others, c.victim) {
		if _, err := p.line(); err != nil {
			return err
		}
	}
	return nil
}

// act runs the two phases and gathers what everybody has found.
func (c *cast) act(r *result) error {
	for phase, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := c.publisher.say(fmt.Sprint(phase)); err != nil {
			return err
		}
		if _, err := c.publisher.line(); err != nil {
			return err
		}
		if err := c.victim.cmd.Process.Signal(sig); err != nil {
			return err
		}
	}
	if err := c.publisher.say("report"); err != nil {
		return err
	}
	if err := c.publisher.decode(&r.Publisher); err != nil {
		return err
	}
	for _, p := range c.others {
		var some []subscriber
		if err := p.decode(&some); err != nil {
			return err
		}
		r.Others = append(r.Others, some...)
	}
	var one []subscriber
	if err := c.victim.decode(&one); err != nil {
		return err
	}
	r.Victim = one[0]
	return nil
}

// end ends all processes, whatever they do.
func (c *cast) end() {
	for _, p := range append(c.others, c.victim, c.publisher) {
		if p != nil {
			p.kill()
		}
	}
}

// dial connects to the hub.
func (s *settings) dial(ctx context.Context) (*plexus.Client, error) {
	return plexus.Dial(ctx, s.Address, nil)
}
