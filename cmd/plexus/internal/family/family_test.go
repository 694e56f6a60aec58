// SPDX-License-Identifier: Apache-2.0

package family

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

const testVerb = "family-role"

// TestMain makes this program its own child.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == testVerb {
		if err := play(os.Args[2]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	leak.Main(m)
}

func play(role string) error {
	if role == "stubborn" {
		select {} // until it is killed
	}
	var task string
	return Follow(context.Background(), os.Stdin, os.Stdout, &task, func(ctx context.Context, a *Actor) error {
		switch role {
		case "brief":
			return nil
		case "tidy":
			defer os.WriteFile(task, nil, 0o600)
		}
		a.Say("hello " + task)
		for {
			var line string
			if err := a.Await(ctx, &line); err != nil {
				return err
			}
			switch line {
			case "fail":
				return errors.New("as I was told")
			case "complain":
				a.Complain(errors.New("only this time"))
			default:
				a.Say(line)
			}
		}
	})
}

// A child that talks to a parent which is gone still tidies up (bug: SIGPIPE ended it, and
// left a folder behind).
func TestTidiesUpAlone(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "tidied")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.Command(os.Args[0], testVerb, "tidy")
	cmd.Stdin, cmd.Stdout = strings.NewReader(`"`+mark+`" "more"`), w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, role string) (*Family, *Child) {
	t.Helper()
	f, err := New(testVerb, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Start(role, "child")
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func TestTalk(t *testing.T) {
	f, c := start(t, "echo")
	var said string
	if err := c.Next(t.Context(), &said); err != nil || said != "hello child" || f.Len() != 1 {
		t.Fatal(said, err)
	}
	if err := c.Ask(t.Context(), "ping", &said); err != nil || said != "ping" {
		t.Fatal(said, err)
	}
	var failed *Failed
	if err := c.Ask(t.Context(), "complain", &said); !errors.As(err, &failed) || failed.Text != "only this time" {
		t.Fatal(err)
	}
	if err := c.Ask(t.Context(), "pong", &said); err != nil || said != "pong" {
		t.Fatal(said, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Next(ended, &said); status.CodeOf(err) != status.Cancelled {
		t.Error(err)
	}
	if err := c.Ask(t.Context(), "fail", &said); !errors.As(err, &failed) || !strings.Contains(err.Error(), "echo (pid ") {
		t.Error(err)
	}
	if err := c.Next(t.Context(), &said); status.CodeOf(err) != status.Internal {
		t.Error("it has ended, and still says something:", err)
	}
	if err := f.End(time.Minute); err != nil || f.Len() != 0 {
		t.Error(err)
	}
}

// TestEnd: a child that does not want to end is killed, and that is told; the others end.
func TestEnd(t *testing.T) {
	f, _ := start(t, "stubborn")
	if _, err := f.Start("brief", 1); err != nil {
		t.Fatal(err)
	}
	if err := f.End(time.Second); err == nil || !strings.Contains(err.Error(), "stubborn") || strings.Contains(err.Error(), "brief") {
		t.Error(err)
	}
}
