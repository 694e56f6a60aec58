// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/supervise"
)

// A roll is a named pipe that processes open for writing and never close: whoever reads
// gets a line from each, and the end when all have gone.
type roll struct {
	path string
	f    *os.File
	r    *bufio.Reader
}

func newRoll(t *testing.T, dir string) *roll {
	t.Helper()
	path := filepath.Join(dir, "roll")
	check(t, syscall.Mkfifo(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	check(t, err)
	return &roll{path: path, f: f, r: bufio.NewReader(f)}
}

// sign enters a process.
func sign(path, what string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	signed = append(signed, f)
	_, err = fmt.Fprintln(f, what)
	return err
}

var signed []*os.File // never closed

// line returns the next one.
func (r *roll) line(t *testing.T) string {
	t.Helper()
	check(t, r.f.SetReadDeadline(time.Now().Add(patience)))
	for {
		l, err := r.r.ReadString('\n')
		if err == io.EOF { // nobody has come yet
			select {
			case <-t.Context().Done():
			case <-time.After(time.Millisecond):
				continue
			}
		}
		check(t, err)
		return strings.TrimSuffix(l, "\n")
	}
}

// end waits until all have gone.
func (r *roll) end(t *testing.T) {
	t.Helper()
	check(t, r.f.SetReadDeadline(time.Now().Add(patience)))
	if rest, err := io.ReadAll(r.r); err != nil || len(rest) > 0 {
		t.Fatalf("somebody is left behind: %q, %v", rest, err)
	}
	check(t, r.f.Close())
	check(t, os.Remove(r.path))
}

// family is a child with a child of its own. Both sign the roll.
func family(path string) error {
	if err := sign(path, "child"); err != nil {
		return err
	}
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	other := exec.Command("sh", "-c", `exec 9>"$0"; echo grandchild >&9; trap "" TERM HUP; sleep 1000 & wait; sleep 1000`, path)
	if err := other.Start(); err != nil {
		return err
	}
	if err := p.Ready(); err != nil {
		return err
	}
	return other.Wait()
}

// solo is a child without children. It signs the roll.
func solo(path string) error {
	if err := sign(path, "child"); err != nil {
		return err
	}
	return greet("")
}

// parentOf supervises a family and does nothing else.
func parentOf(argument string) error {
	path, how, _ := strings.Cut(argument, " ")
	if err := sign(path, "parent"); err != nil {
		return err
	}
	cfg := self("solo " + path)
	switch how {
	case "linger":
		cfg = self("lingering " + path)
		cfg.Linger = true
	case "keeper":
		cfg = self("family " + path)
		cfg.Keeper = []string{"env", childEnv + "=keep", os.Args[0]}
	}
	cfg.TempDir = filepath.Dir(path)
	if _, err := supervise.Start(context.Background(), cfg); err != nil {
		return err
	}
	if err := sign(path, "ready"); err != nil {
		return err
	}
	select {}
}

// lingering ends well some time after its parent has died.
func lingering(path string) error {
	if err := sign(path, "child"); err != nil {
		return err
	}
	p, err := supervise.Connect(context.Background(), &supervise.ConnectOptions{Grace: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := p.Ready(); err != nil {
		return err
	}
	<-p.Done()
	if err := os.WriteFile(path+".ended", nil, 0o600); err != nil {
		return err
	}
	if os.Getenv(stuckEnv) != "" {
		select {} // until its grace is over
	}
	return p.Close()
}

const stuckEnv = "PLEXUS_SUPERVISE_TEST_STUCK"

// TestLinger: a child that may outlive its parent sees the end of the lifeline and ends
// well; if it does not end, its own grace is over some time.
func TestLinger(t *testing.T) {
	for _, stuck := range []string{"", "1"} {
		leak.Check(t)
		dir, err := os.MkdirTemp("", "k")
		check(t, err)
		defer os.RemoveAll(dir)
		r := newRoll(t, dir)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), stuckEnv+"="+stuck, childEnv+"=parentOf "+r.path+" linger")
		check(t, cmd.Start())
		for r.line(t) != "ready" {
		}
		check(t, cmd.Process.Kill())
		_ = cmd.Wait()
		r.end(t)
		if _, err := os.Stat(r.path + ".ended"); err != nil {
			t.Error(err)
		}
	}
}

// TestChildrenKilled: a child that is killed leaves nothing behind, a hundred times over.
func TestChildrenKilled(t *testing.T) {
	leak.Check(t)
	dir, err := os.MkdirTemp("", "k")
	check(t, err)
	defer os.RemoveAll(dir)
	for range rounds(t) {
		r := newRoll(t, dir)
		cfg := self("family " + r.path)
		cfg.TempDir = dir
		c := begin(t, cfg)
		r.line(t)
		r.line(t)
		check(t, syscall.Kill(c.PID(), syscall.SIGKILL))
		await(t, c.Done(), "the end")
		r.end(t)
	}
	empty(t, dir)
}

// TestParentsKilled: a parent that is killed leaves nothing behind, a hundred times over,
// neither children nor grandchildren nor directories.
func TestParentsKilled(t *testing.T) {
	leak.Check(t)
	dir, err := os.MkdirTemp("", "k")
	check(t, err)
	defer os.RemoveAll(dir)
	for range rounds(t) {
		r := newRoll(t, dir)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=parentOf "+r.path+" keeper")
		cmd.Stderr = os.Stderr
		check(t, cmd.Start())
		seen := map[string]bool{}
		for len(seen) < 4 {
			seen[r.line(t)] = true
		}
		check(t, cmd.Process.Kill())
		_ = cmd.Wait()
		r.end(t)
	}
	empty(t, dir)
}

// TestSweep: without a keeper the next parent removes what a killed one has left.
func TestSweep(t *testing.T) {
	leak.Check(t)
	dir, err := os.MkdirTemp("", "k")
	check(t, err)
	defer os.RemoveAll(dir)
	r := newRoll(t, dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=parentOf "+r.path)
	check(t, cmd.Start())
	for r.line(t) != "ready" {
	}
	cfg := self("greet")
	cfg.TempDir = dir
	check(t, begin(t, cfg).Stop(t.Context()))
	if entries, _ := filepath.Glob(filepath.Join(dir, "plexus-child-*")); len(entries) != 1 {
		t.Errorf("the directory of a child that lives: %q", entries)
	}
	check(t, cmd.Process.Kill())
	_ = cmd.Wait()
	check(t, begin(t, cfg).Stop(t.Context()))
	if entries, _ := filepath.Glob(filepath.Join(dir, "plexus-child-*")); len(entries) != 0 {
		t.Errorf("left behind: %q", entries)
	}
	r.end(t)
}

// empty fails if there is something in a directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	over := time.Now().Add(patience)
	for {
		entries, err := os.ReadDir(dir)
		check(t, err)
		if len(entries) == 0 {
			return
		}
		if time.Now().After(over) {
			t.Fatalf("left behind: %v", entries)
		}
		<-time.After(time.Millisecond)
	}
}

// rounds is how often processes are killed.
func rounds(t *testing.T) int {
	if testing.Short() || raceEnabled {
		return 10
	}
	return 100
}
