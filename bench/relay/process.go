// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// child is a process of a round. It ends when its standard input does.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser // nil if it was given one
	lines *bufio.Reader  // of its standard output; nil if it was given one
}

func start(binary, role string, j job, in, out *os.File) (*child, error) {
	b, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(binary, "-role", role, "-spec", string(b), "-profile", *profile)}
	c.cmd.Stderr = os.Stderr
	if in != nil {
		c.cmd.Stdin = in
	} else if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if out != nil {
		c.cmd.Stdout = out
	} else {
		r, err := c.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		c.lines = bufio.NewReader(r)
	}
	return c, c.cmd.Start()
}

// line returns the next line that the child prints.
func (c *child) line() (string, error) {
	s, err := c.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a child has failed: %w", err)
	}
	return s[:len(s)-1], nil
}

// end has the child end and waits for that; one that does not is killed.
func (c *child) end() {
	if c.in != nil {
		c.in.Close()
	}
	t := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer t.Stop()
	_ = c.cmd.Wait()
}

// company starts the hub of a round in a folder of its own.
func company(binary string, j *job) (hub *child, done func(), err error) {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		return nil, nil, err
	}
	j.At = "unix://" + dir + "/s"
	j.Result = filepath.Join(dir, "result")
	if hub, err = start(binary, "hub", *j, nil, nil); err == nil {
		_, err = hub.line()
	}
	done = func() {
		if hub != nil {
			hub.end()
		}
		os.RemoveAll(dir)
	}
	if err != nil {
		done()
	}
	return hub, done, err
}

func readUsed(path string) (u used, err error) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &u)
	}
	return u, err
}

// publishing is a round of publications.
//
//	parent ──'g'──┐
//	subscriber ───┴► pipe ──► publisher    a byte per step, the number of the connection
func publishing(binary string, j job) (result, error) {
	hub, done, err := company(binary, &j)
	if err != nil {
		return result{}, err
	}
	defer done()
	ahead, progress, err := os.Pipe()
	if err != nil {
		return result{}, err
	}
	defer ahead.Close()
	defer progress.Close()
	pub, err := start(binary, "publisher", j, ahead, nil)
	if err != nil {
		return result{}, err
	}
	defer pub.end()
	if _, err := pub.line(); err != nil { // the topic is declared
		return result{}, err
	}
	sub, err := start(binary, "subscriber", j, nil, progress)
	if err != nil {
		return result{}, err
	}
	if _, err := pub.line(); err != nil { // warmed up
		return result{}, err
	}
	cpu := cpuOf(hub.cmd.Process.Pid)
	fmt.Fprintln(hub.in, "mark")
	if _, err := progress.Write([]byte{startByte}); err != nil {
		return result{}, err
	}
	if err := sub.cmd.Wait(); err != nil {
		return result{}, err
	}
	cpu = cpuOf(hub.cmd.Process.Pid) - cpu
	sub.in.Close()
	progress.Close() // the publisher knows by it that all is over
	p, err := pub.line()
	if err != nil {
		return result{}, err
	}
	hub.in.Close()
	h, err := hub.line()
	if err != nil {
		return result{}, err
	}
	var up, uh used
	if err := json.Unmarshal([]byte(p), &up); err != nil {
		return result{}, err
	}
	if err := json.Unmarshal([]byte(h), &uh); err != nil {
		return result{}, err
	}
	us, err := readUsed(j.Result)
	n := float64(us.Count)
	return result{
		rate: n / (float64(us.End-up.Begin) / 1e9), cpu: (up.CPU + us.CPU + cpu.Seconds()) * 1e6 / n, hubCPU: cpu.Seconds() * 1e6 / n,
		mallocs: float64(up.Mallocs+us.Mallocs+uh.Mallocs) / n, dropped: float64(us.Dropped),
	}, err
}

// calling is a round of calls.
func calling(binary string, j job) (result, error) {
	hub, done, err := company(binary, &j)
	if err != nil {
		return result{}, err
	}
	defer done()
	prov, err := start(binary, "provider", j, nil, nil)
	if err != nil {
		return result{}, err
	}
	defer prov.end()
	if _, err := prov.line(); err != nil {
		return result{}, err
	}
	c, err := start(binary, "caller", j, nil, nil)
	if err != nil {
		return result{}, err
	}
	defer c.end()
	if _, err := c.line(); err != nil {
		return result{}, err
	}
	pids := []int{hub.cmd.Process.Pid, prov.cmd.Process.Pid, c.cmd.Process.Pid}
	cpu, hubCPU := cpuOfAll(pids), cpuOf(pids[0])
	fmt.Fprintln(hub.in, "mark")
	fmt.Fprintln(prov.in, "mark")
	fmt.Fprintln(c.in, "go")
	if _, err := c.line(); err != nil {
		return result{}, err
	}
	cpu, hubCPU = cpuOfAll(pids)-cpu, cpuOf(pids[0])-hubCPU
	u, err := readUsed(j.Result)
	if err != nil {
		return result{}, err
	}
	mallocs := u.Mallocs
	for _, p := range []*child{hub, prov} {
		p.in.Close()
		s, err := p.line()
		if err != nil {
			return result{}, err
		}
		var v used
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			return result{}, err
		}
		mallocs += v.Mallocs
	}
	n := float64(u.Count)
	return result{
		p50: u.P50, rate: n / u.Seconds, cpu: cpu.Seconds() * 1e6 / n, hubCPU: hubCPU.Seconds() * 1e6 / n, mallocs: float64(mallocs) / n,
	}, nil
}

func cpuOfAll(pids []int) (sum time.Duration) {
	for _, p := range pids {
		sum += cpuOf(p)
	}
	return sum
}
