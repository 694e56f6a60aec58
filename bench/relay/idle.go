// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// rest measures a hub with many connections that have each carried 1 MiB, after 5 s and
// then over a span of rest.
func rest(n int) error {
	j := job{System: "plexus", Fan: n}
	hub, done, err := company(os.Args[0], &j)
	if err != nil {
		return err
	}
	defer done()
	pid := hub.cmd.Process.Pid
	empty := resident(pid)
	clients, err := start(os.Args[0], "resting", j, nil, nil)
	if err != nil {
		return err
	}
	defer clients.end()
	if _, err := clients.line(); err != nil {
		return err
	}
	loaded := resident(pid)
	time.Sleep(5 * time.Second)
	cpu, both := cpuOf(pid), cpuOfAll([]int{pid, clients.cmd.Process.Pid})
	span := time.Duration(*span) * time.Second
	time.Sleep(span)
	cpu, both = cpuOf(pid)-cpu, cpuOfAll([]int{pid, clients.cmd.Process.Pid})-both
	fmt.Printf("idle hub, %d connections: %.4f %% of a core, with the clients %.4f %%; resident %d KiB, %.1f KiB per connection (%d KiB empty, %d KiB just after the traffic)\n",
		n, 100*cpu.Seconds()/span.Seconds(), 100*both.Seconds()/span.Seconds(),
		resident(pid), float64(resident(pid)-empty)/float64(n), empty, loaded)
	fmt.Fprint(hub.in, "mark\ncollect\n")
	if _, err := hub.line(); err != nil {
		return err
	}
	fmt.Printf("after a collection: %.1f KiB per connection\n", float64(resident(pid)-empty)/float64(n))
	return nil
}

// resident returns the resident memory of a process in KiB, 0 where it is not known.
func resident(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kib int
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}
