// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder is one with a short path.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func unix(t testing.TB) string {
	t.Helper()
	ep, err := endpoint.Unix(filepath.Join(folder(t), "s"))
	must(t, err)
	return ep.String()
}

// running is a daemon that runs.
type running struct {
	*daemon.Daemon
	log    *buffer
	cancel context.CancelFunc
	over   chan error
}

// buffer is a log that tests read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t testing.TB, cfg daemon.Config) *running {
	t.Helper()
	log := &buffer{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	d, err := daemon.New(cfg)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{d, log, cancel, make(chan error, 1)}
	go func() { r.over <- d.Run(ctx) }()
	t.Cleanup(func() { d.Abort(); cancel() })
	select {
	case <-d.Ready():
	case err := <-r.over:
		t.Fatal(err)
	}
	return r
}

// ended returns what Run has returned.
func (r *running) ended(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.over:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not return")
		return nil
	}
}

func dial(t testing.TB, address string, o *plexus.DialOptions) *plexus.Client {
	t.Helper()
	c, err := plexus.Dial(t.Context(), address, o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSeveralListeners(t *testing.T) {
	r := start(t, daemon.Config{Listen: []string{unix(t), "tcp://127.0.0.1:0", "mem://daemon-test"}, Hub: hub.Config{ID: "h"}})
	ends := r.Endpoints()
	if len(ends) != 3 || strings.HasSuffix(ends[1], ":0") {
		t.Fatal(ends)
	}
	p := dial(t, ends[0], nil).Channel("m")
	_, err := plexus.Handle(p, "add", func(_ context.Context, in [2]int) (int, error) { return in[0] + in[1], nil })
	must(t, err)
	for _, e := range ends {
		c := dial(t, e, nil)
		sum, err := plexus.Call[int](t.Context(), c.Channel("m"), "add", [2]int{1, 2})
		must(t, err)
		if sum != 3 {
			t.Error(e, sum)
		}
	}
	var st operation.HubStatus
	must(t, p.Operate(t.Context(), operation.Status, operation.Empty{}, &st))
	if st.ID != "h" || len(st.Endpoints) != 3 || st.Sessions != 4 {
		t.Errorf("%+v", st)
	}
	r.cancel()
	must(t, r.ended(t))
	if rep := r.Report(); rep.Cut != 0 || rep.Sessions != 4 || rep.Reason == "" {
		t.Errorf("%+v", rep)
	}
	if err := r.Run(t.Context()); !errors.Is(err, status.FailedPrecondition) {
		t.Error(err)
	}
}

// TestAllOrNothing: if one address cannot be bound, none stays bound.
func TestAllOrNothing(t *testing.T) {
	taken, free := unix(t), unix(t)
	start(t, daemon.Config{Listen: []string{taken}})
	d, err := daemon.New(daemon.Config{Listen: []string{free, taken}})
	must(t, err)
	if err := d.Run(t.Context()); !errors.Is(err, status.AlreadyExists) {
		t.Fatal(err)
	}
	select {
	case <-d.Ready():
		t.Error("ready")
	default:
	}
	start(t, daemon.Config{Listen: []string{free}})
}

// work offers a method that ends when told.
func work(t testing.TB, address string) (c *plexus.Client, started, end chan struct{}) {
	t.Helper()
	started, end = make(chan struct{}, 1), make(chan struct{})
	p := dial(t, address, nil)
	_, err := plexus.Handle(p.Channel("m"), "work", func(ctx context.Context, _ any) (string, error) {
		started <- struct{}{}
		select {
		case <-end:
			return "done", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	must(t, err)
	return dial(t, address, nil), started, end
}

func TestDrainLetsCallsEnd(t *testing.T) {
	address := unix(t)
	r := start(t, daemon.Config{Listen: []string{address}})
	c, started, end := work(t, address)
	sub, err := plexus.Subscribe[any](t.Context(), c.Channel("m"), ">")
	must(t, err)
	f := plexus.Bind[any, string](c.Channel("m"), "work").Go(t.Context(), nil)
	<-started
	r.cancel()
	if _, err := sub.Next(t.Context()); !errors.Is(err, status.Unavailable) {
		t.Error("the subscription:", err)
	}
	if _, err := plexus.Call[string](t.Context(), c.Channel("m"), "work", any(nil)); !errors.Is(err, status.Unavailable) {
		t.Error("a new call:", err)
	}
	if _, err := plexus.Dial(t.Context(), address, nil); !errors.Is(err, status.Unavailable) || !strings.Contains(err.Error(), "shutting down") {
		t.Error("a new client:", err)
	}
	close(end)
	out, err := f.Wait(t.Context())
	if err != nil || out != "done" {
		t.Error("the call under way:", out, err)
	}
	must(t, r.ended(t))
	if rep := r.Report(); rep.Cut != 0 || rep.Aborted {
		t.Errorf("%+v", rep)
	}
}

func TestDrainCutsWhatDoesNotEnd(t *testing.T) {
	for _, how := range []string{"deadline", "abort", "abort before"} {
		t.Run(how, func(t *testing.T) {
			address := unix(t)
			cfg := daemon.Config{Listen: []string{address}, DrainTimeout: time.Hour}
			if how == "deadline" {
				cfg.DrainTimeout = 20 * time.Millisecond
			}
			r := start(t, cfg)
			c, started, _ := work(t, address)
			sub, err := plexus.Subscribe[any](t.Context(), c.Channel("m"), ">")
			must(t, err)
			f := plexus.Bind[any, string](c.Channel("m"), "work").Go(t.Context(), nil)
			<-started
			if how == "abort before" {
				r.Abort()
			}
			r.cancel()
			if how == "abort" {
				if _, err := sub.Next(t.Context()); !errors.Is(err, status.Unavailable) { // the drain has begun
					t.Error(err)
				}
				r.Abort()
			}
			must(t, r.ended(t))
			if _, err := f.Wait(t.Context()); !errors.Is(err, status.PeerGone) {
				t.Error(err)
			}
			if rep := r.Report(); rep.Cut == 0 || rep.Aborted == (how == "deadline") || !strings.Contains(r.log.String(), "calls_cut") {
				t.Errorf("%+v\n%s", rep, r.log)
			}
		})
	}
}

func TestStopByMember(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		address := unix(t)
		r := start(t, daemon.Config{Listen: []string{address}, Hub: hub.Config{AllowStop: allowed}})
		c := dial(t, address, nil)
		err := c.Operate(t.Context(), operation.Stop, operation.StopRequest{Drain: 1}, nil)
		if !allowed {
			if !errors.Is(err, status.PermissionDenied) {
				t.Error(err)
			}
			continue
		}
		if err != nil && !errors.Is(err, status.PeerGone) {
			t.Error(err)
		}
		must(t, r.ended(t))
		if rep := r.Report(); rep.Reason != "stopped" {
			t.Errorf("%+v", rep)
		}
	}
}

func TestWarnings(t *testing.T) {
	secret := []byte("a secret of some length")
	for _, c := range []struct {
		name string
		cfg  daemon.Config
		want string // "" for none
	}{
		{"unix", daemon.Config{Listen: []string{unix(t)}}, ""},
		{"loopback", daemon.Config{Listen: []string{"tcp://127.0.0.1:0"}}, "every user of this machine can use the hub"},
		{"loopback, secret", daemon.Config{Listen: []string{"tcp://127.0.0.1:0"}, Secret: secret}, ""},
		{"wide", daemon.Config{Listen: []string{"tcp://0.0.0.0:0"}}, "use tls and a secret"},
		{"wide, secret", daemon.Config{Listen: []string{"tcp://0.0.0.0:0"}, Secret: secret}, "can be read and changed on the way: use tls"},
		{"users at tcp", daemon.Config{Listen: []string{"tcp://127.0.0.1:0"}, Allow: &auth.Allow{Same: true}}, "admits nobody"},
		{"short secret", daemon.Config{Listen: []string{unix(t)}, Secret: []byte("short")}, "has only 5 bytes"},
		{"open mode", daemon.Config{Listen: []string{unix(t) + "?mode=0666"}}, "lets every user reach it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.cfg)
			r.cancel()
			must(t, r.ended(t))
			log := r.log.String()
			if warned := strings.Contains(log, "level=WARN"); warned != (c.want != "") || !strings.Contains(log, c.want) {
				t.Errorf("want %q in\n%s", c.want, log)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	dir := folder(t)
	for _, c := range []struct {
		name string
		cfg  daemon.Config
		want string
	}{
		{"bad address", daemon.Config{Listen: []string{"pigeon://x"}}, "pigeon"},
		{"owner policy", daemon.Config{Hub: hub.Config{OwnerPolicy: "revolt"}}, "revolt"},
		{"id", daemon.Config{Hub: hub.Config{ID: "a/b"}}, "a/b"},
		{"two secrets", daemon.Config{Secret: []byte("x"), SecretFile: "y"}, "one of them"},
		{"empty secret", daemon.Config{Secret: []byte{}}, "the secret is empty"},
		{"no secret file", daemon.Config{SecretFile: filepath.Join(dir, "none")}, "cannot be read"},
		{"half a certificate", daemon.Config{TLS: daemon.TLSFiles{Cert: "c"}}, "needs its key"},
		{"tls without a certificate", daemon.Config{Listen: []string{"tls://127.0.0.1:0"}}, "needs a certificate"},
		{"no CA file", daemon.Config{TLS: daemon.TLSFiles{CA: filepath.Join(dir, "none")}}, "cannot be read"},
	} {
		if _, err := daemon.New(c.cfg); !errors.Is(err, status.InvalidArgument) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(folder(t), "secret")
	for _, c := range []struct{ content, want string }{{"s3cret\n", "s3cret"}, {"s3cret\r\n", "s3cret"}, {" s \n", " s "}} {
		must(t, os.WriteFile(path, []byte(c.content), 0o600))
		secret, warning, err := daemon.ReadSecret(path)
		if err != nil || warning != "" || string(secret) != c.want {
			t.Errorf("%q: %q %q %v", c.content, secret, warning, err)
		}
	}
	must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600))
	if _, _, err := daemon.ReadSecret(path); !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	address := unix(t)
	start(t, daemon.Config{Listen: []string{address}, MaxSessions: 1, MaxMessage: 1000})
	c := dial(t, address, nil)
	if _, err := plexus.Dial(t.Context(), address, nil); !errors.Is(err, status.LimitExceeded) {
		t.Error(err)
	}
	err := plexus.Broadcast(t.Context(), c.Channel("m"), "x", make([]byte, 2000))
	if !errors.Is(err, status.TooLarge) && !errors.Is(err, status.NotFound) {
		t.Error(err)
	}
}

func TestSecretAndUsers(t *testing.T) {
	secret := []byte("a secret of some length")
	address := unix(t)
	start(t, daemon.Config{Listen: []string{address}, Secret: secret})
	dial(t, address, &plexus.DialOptions{Secret: secret})
	if _, err := plexus.Dial(t.Context(), address, nil); !errors.Is(err, status.Unauthenticated) {
		t.Error(err)
	}
}

// TestJoin: the program that runs the daemon is a member like any other.
func TestJoin(t *testing.T) {
	r := start(t, daemon.Config{Listen: []string{unix(t)}, Secret: []byte("a secret of some length")})
	c, err := plexus.Join(t.Context(), r.Server(), &plexus.DialOptions{ID: "inside"})
	must(t, err)
	defer c.Close()
	if c.ID() != "inside" || r.Hub().ID() == "" {
		t.Error(c.ID())
	}
}
