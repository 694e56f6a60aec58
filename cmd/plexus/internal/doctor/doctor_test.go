// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

const home = "/run/user/7/plexus"

// healthy is a system at which nothing is wrong.
func healthy() *System {
	files := map[string]string{
		"/sys/devices/system/cpu/cpu0/topology/thread_siblings_list":         "0\n",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc\n",
		"/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm\n",
		"/proc/sys/net/core/somaxconn":                                       "4096\n",
		"/proc/self/cgroup":                                                  "0::/user.slice/app\n",
		"/sys/fs/cgroup/user.slice/cpu.max":                                  "max 100000\n",
		"/proc/sys/fs/mqueue/msg_max":                                        "10\n",
		"/proc/sys/fs/mqueue/msgsize_max":                                    "8192\n",
		"/proc/sys/fs/mqueue/queues_max":                                     "256\n",
	}
	works := func() error { return nil }
	return &System{
		OS: "linux", UID: 7, Cores: 4, Procs: 4, Kernel: "6.1.0-test",
		Getenv: func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}[name] },
		ReadFile: func(path string) ([]byte, error) {
			text, ok := files[path]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		},
		Lstat: func(path string) (File, error) {
			switch {
			case path == home:
				return File{Dir: true, Mode: 0o700, UID: 7}, nil
			case strings.HasSuffix(path, ".sock"):
				return File{Socket: true, Mode: 0o600, UID: 7}, nil
			}
			return File{}, fs.ErrNotExist
		},
		Writable:        func(string) bool { return true },
		List:            func(string) ([]string, error) { return nil, fs.ErrNotExist },
		Limit:           func(string) (uint64, uint64, bool) { return 1 << 20, 1 << 20, true },
		Space:           func(string) (uint64, uint64, error) { return 1 << 30, 1 << 30, nil },
		Buffers:         func(_ string, ask int) (Buffers, error) { return Buffers{212992, 212992, ask, ask}, nil },
		Memfd:           works,
		PassDescriptor:  works,
		PeerCredentials: works,
		Listen:          func(string) error { return nil },
		Yield:           func() (time.Duration, error) { return time.Microsecond, nil },
		Clock:           func() time.Duration { return 50 * time.Nanosecond },
		Served:          func(string) (State, error) { return State{Served, 42}, nil },
	}
}

// with makes files of a system say something else.
func (s *System) with(path, text string) {
	read := s.ReadFile
	s.ReadFile = func(p string) ([]byte, error) {
		if p == path {
			return []byte(text), nil
		}
		return read(p)
	}
}

// file makes a path of a system another file.
func (s *System) file(path string, f File, err error) {
	lstat := s.Lstat
	s.Lstat = func(p string) (File, error) {
		if p == path {
			return f, err
		}
		return lstat(p)
	}
}

func TestHealthy(t *testing.T) {
	r := Examine(healthy(), "v1")
	if r.Better+r.Problems != 0 || r.OK != len(r.Checks) || r.Err() != nil || len(r.Checks) != 21 {
		t.Errorf("%d checks: %+v", len(r.Checks), r)
	}
	for _, c := range r.Checks {
		if c.Name == "" || c.Value == "" || c.Meaning == "" || !strings.HasSuffix(c.Meaning, ".") {
			t.Errorf("%+v", c)
		}
	}
}

var errBroken = errors.New("operation not permitted")

func fails() error { return errBroken }

// finding is one thing that is not well, and what the check of that name says then.
type finding struct {
	name    string
	breaks  func(s *System)
	verdict Verdict
	value   string // contained in the value
	command string // contained in the command
}

var findings = []finding{
	{"kernel", func(s *System) { s.Kernel = "4.19.0" }, Better, "linux 4.19.0", "kernel"},
	{"cores", func(s *System) { s.Cores, s.Procs = 1, 1 }, Better, "1, 1 per physical", "taskset"},
	{"GOMAXPROCS", func(s *System) { s.Procs = 1 }, Better, "1", "docker run --cpus"},
	{"processor limit", func(s *System) { s.with("/sys/fs/cgroup/user.slice/app/cpu.max", "50000 100000") }, Better, "0.50 cores", "--cpus"},
	{"processor limit", func(s *System) {
		s.with("/proc/self/cgroup", "4:cpu,cpuacct:/docker/1\n")
		s.with("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
		s.with("/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "150000")
		s.with("/sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000")
	}, Better, "1.50 cores", "--cpus"},
	{"memory limit", func(s *System) { s.with("/sys/fs/cgroup/user.slice/memory.max", "67108864") }, Better, "64 MiB", "--memory"},
	{"memory limit", func(s *System) {
		s.with("/proc/self/cgroup", "9:memory:/docker/1\n")
		s.with("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1048576")
	}, Better, "1024 KiB", "--memory"},
	{"clock", func(s *System) { s.Clock = func() time.Duration { return time.Microsecond } }, Better, "tsc, 1000 ns", "echo tsc"},
	{"sched_yield", func(s *System) { s.Yield = func() (time.Duration, error) { return 0, errBroken } }, Better, "not permitted", "seccomp"},
	{"sched_yield", func(s *System) { s.Yield = func() (time.Duration, error) { return time.Millisecond, nil } }, Better, "1000000 ns", ""},
	{"descriptors", func(s *System) { s.Limit = only("nofile", 1024, 4096) }, Better, "1024, at most 4096", "ulimit"},
	{"descriptors", func(s *System) { s.Limit = only("nofile", 64, 64) }, Problem, "64", "ulimit"},
	{"unix sockets", func(s *System) { s.Listen = refuse("unix", errBroken) }, Problem, "not permitted", "TMPDIR"},
	{"tcp on loopback", func(s *System) { s.Listen = refuse("tcp", errBroken) }, Problem, "not permitted", "ip link"},
	{"unix socket buffers", func(s *System) {
		s.Buffers = func(network string, ask int) (Buffers, error) {
			if network == "unix" {
				return Buffers{4096, 4096, 8192, 16384}, nil
			}
			return Buffers{212992, 212992, ask, ask}, nil
		}
	}, Better, "granted 8192 B and 16 KiB", "wmem_max"},
	{"tcp socket buffers", func(s *System) {
		s.Buffers = func(network string, ask int) (Buffers, error) {
			if network == "tcp" {
				return Buffers{}, errBroken
			}
			return Buffers{212992, 212992, ask, ask}, nil
		}
	}, Better, "not permitted", ""},
	{"backlog", func(s *System) { s.with("/proc/sys/net/core/somaxconn", "128") }, Better, "128", "somaxconn=4096"},
	{"peer credentials", func(s *System) { s.PeerCredentials = fails }, Problem, "not permitted", "--secret-file"},
	{"passing descriptors", func(s *System) { s.PassDescriptor = fails }, Better, "not permitted", "seccomp"},
	{"sealed memory files", func(s *System) { s.Memfd = fails }, Better, "not permitted", "seccomp"},
	{"/dev/shm", func(s *System) { s.Space = func(string) (uint64, uint64, error) { return 64 << 20, 1 << 20, nil } }, Better, "64 MiB, 1024 KiB free", "--shm-size"},
	{"/dev/shm", func(s *System) { s.Space = func(string) (uint64, uint64, error) { return 0, 0, fs.ErrNotExist } }, Better, "not there", "shm"},
	{"folder of names", func(s *System) { s.file(home, File{}, fs.ErrNotExist) }, Problem, "/run/user/7 is not there", "install -d"},
	{"folder of names", func(s *System) { s.file(home, File{Dir: true, Mode: 0o700, UID: 0}, nil) }, Problem, "belongs to user 0", "XDG_RUNTIME_DIR"},
	{"folder of names", func(s *System) { s.file(home, File{Dir: true, Mode: 0o777, UID: 7}, nil) }, Problem, "everybody may replace", "chmod 700"},
	{"folder of names", func(s *System) { s.file(home, File{Dir: true, Mode: 0o755, UID: 7}, nil) }, Better, "mode 0755", "chmod 700"},
	{"folder of names", func(s *System) { s.file(home, File{Link: true, UID: 7}, nil) }, Problem, "no folder", "rm"},
	{"folder of names", func(s *System) { s.file(home, File{}, errBroken) }, Problem, "cannot be looked at", ""},
	{"folder of names", func(s *System) { s.Writable = func(string) bool { return false } }, Problem, "cannot be written to", "chmod"},
	{"folder of names", func(s *System) {
		s.file(home, File{}, fs.ErrNotExist)
		s.file("/run/user/7", File{Dir: true, UID: 0}, nil)
		s.Writable = func(string) bool { return false }
	}, Problem, "cannot make it", "another user's"},
	{"sockets", func(s *System) {
		s.List = func(string) ([]string, error) { return []string{"a.sock", "a.sock.lock", "b.sock"}, nil }
		s.Served = func(p string) (State, error) {
			if p == home+"/a.sock" {
				return State{Served, 42}, nil
			}
			return State{Kind: Stale}, nil
		}
	}, Better, "served: a (pid 42); stale: " + home + "/b.sock", "rm " + home + "/b.sock "},
	{"sockets", func(s *System) {
		s.List = func(string) ([]string, error) { return []string{"a.sock"}, nil }
		s.Served = func(string) (State, error) { return State{Kind: Foreign}, nil }
	}, Better, "holds no lock", ""},
	{"sockets", func(s *System) {
		s.List = func(string) ([]string, error) { return []string{"a.sock"}, nil }
		s.file(home+"/a.sock", File{Mode: 0o600}, nil)
	}, Better, "a.sock is no socket", ""},
	{"sockets", func(s *System) { s.List = func(string) ([]string, error) { return nil, errBroken } }, Problem, "not permitted", ""},
}

// TestFindings breaks one thing at a time: that check, and no other, says so.
func TestFindings(t *testing.T) {
	for _, c := range findings {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			s := healthy()
			c.breaks(s)
			r := Examine(s, "")
			for _, got := range r.Checks {
				switch {
				case got.Name != c.name:
					if got.Verdict != OK {
						t.Errorf("also: %+v", got)
					}
				case got.Verdict != c.verdict, !strings.Contains(got.Value, c.value), !strings.Contains(got.Command, c.command):
					t.Errorf("%+v, want %s, %q, %q", got, c.verdict, c.value, c.command)
				}
			}
			if err := r.Err(); (err != nil) != (c.verdict == Problem) || err != nil && (status.CodeOf(err) != status.Failed || !strings.Contains(err.Error(), c.name)) {
				t.Error(err)
			}
		})
	}
}

// only answers for one limit, with a good value for the others.
func only(limit string, soft, hard uint64) func(string) (uint64, uint64, bool) {
	return func(name string) (uint64, uint64, bool) {
		if name == limit {
			return soft, hard, true
		}
		return 1 << 63, 1 << 63, true
	}
}

func refuse(network string, err error) func(string) error {
	return func(n string) error {
		if n == network {
			return err
		}
		return nil
	}
}

// TestStillFine: unusual, and no reason to complain.
func TestStillFine(t *testing.T) {
	for name, change := range map[string]func(s *System){
		"folder not made": func(s *System) {
			s.file(home, File{}, fs.ErrNotExist)
			s.file("/run/user/7", File{Dir: true, UID: 7, Mode: 0o700}, nil)
		},
		"sticky folder":  func(s *System) { s.file("/run/user/7", File{Dir: true, UID: 0, Mode: 0o1777}, nil) },
		"sockets served": func(s *System) { s.List = func(string) ([]string, error) { return []string{"a.sock"}, nil } },
		"a socket that goes": func(s *System) {
			s.List = func(string) ([]string, error) { return []string{"a.sock"}, nil }
			s.Served = func(string) (State, error) { return State{}, fs.ErrNotExist }
		},
		"no mqueue":      func(s *System) { s.with("/proc/sys/fs/mqueue/msg_max", "") },
		"four and a bit": func(s *System) { s.with("/sys/fs/cgroup/cpu.max", "450000 100000") },
		"odd kernel":     func(s *System) { s.Kernel = "custom" },
	} {
		s := healthy()
		change(s)
		if r := Examine(s, ""); r.Better+r.Problems > 0 {
			t.Errorf("%s: %+v", name, r.Checks)
		}
	}
}

// TestOtherSystems: what a system has not is not complained about.
func TestOtherSystems(t *testing.T) {
	mac := healthy()
	mac.OS, mac.Kernel, mac.Memfd, mac.Space, mac.Yield = "darwin", "25.0", nil, nil, nil
	mac.Sysctl = func(name string) (uint64, bool) {
		n, ok := map[string]uint64{"kern.ipc.somaxconn": 128, "net.local.stream.sendspace": 8192, "net.local.stream.recvspace": 262144}[name]
		return n, ok
	}
	r := Examine(mac, "")
	want := map[string]Verdict{"backlog": Better, "net.local.stream.sendspace": Better, "net.local.stream.recvspace": OK}
	for _, c := range r.Checks {
		if v, ok := want[c.Name]; ok && c.Verdict != v {
			t.Errorf("%+v", c)
		}
		delete(want, c.Name)
	}
	if len(want) > 0 || r.Better != 2 || r.Problems != 0 {
		t.Errorf("missing %v of %+v", want, r.Checks)
	}
	windows := &System{
		OS: "windows", Cores: 4, Procs: 4, Kernel: "10.0.26100", Getenv: healthy().Getenv, ReadFile: healthy().ReadFile,
		Listen: func(string) error { return nil }, Clock: healthy().Clock,
	}
	if r := Examine(windows, ""); r.Better+r.Problems > 0 || len(r.Checks) < 6 {
		t.Errorf("%+v", r.Checks)
	}
}

func TestPrint(t *testing.T) {
	s := healthy()
	s.Memfd = func() error { return errors.New("no memfd") }
	r := Examine(s, "v1")
	for _, c := range []struct {
		everything bool
		has, not   []string
	}{
		{false, []string{"could be better  sealed memory files  no memfd", "To change it: docker run", "20 ok, 1 could be better, 0 problems", "--explain"}, []string{"It could be changed by"}},
		{true, []string{"sealed memory files: no memfd (could be better)", "It could be changed by: sudo sysctl"}, []string{"--explain"}},
	} {
		var b strings.Builder
		if err := r.Print(&b, false, c.everything); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.has {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
		for _, bad := range c.not {
			if strings.Contains(b.String(), bad) {
				t.Errorf("%q in\n%s", bad, b.String())
			}
		}
	}
	var b strings.Builder
	if err := r.Print(&b, true, false); err != nil {
		t.Fatal(err)
	}
	var back Report
	d := json.NewDecoder(strings.NewReader(b.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&back); err != nil || len(back.Checks) != len(r.Checks) || back.Better != 1 || back.Machine.Program != "v1" {
		t.Error(err, back)
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string][2]int{"6.18.44-fc": {6, 18}, "5.1": {5, 1}, "4.19-rc1": {4, 19}} {
		if a, b, ok := version(text); !ok || a != want[0] || b != want[1] {
			t.Errorf("%s: %d %d %v", text, a, b, ok)
		}
	}
	if _, _, ok := version("x.y"); ok {
		t.Error("x.y is a version")
	}
}

// TestThis looks at the machine that the test runs on: whatever it says, every function
// works, and nothing is left.
func TestThis(t *testing.T) {
	leak.Check(t)
	r := Examine(This(), "")
	if len(r.Checks) < 6 {
		t.Errorf("%+v", r.Checks)
	}
}
