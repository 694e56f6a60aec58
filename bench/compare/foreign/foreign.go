// SPDX-License-Identifier: Apache-2.0

// Package foreign holds the systems of the comparison that are not written in Go, as
// sources, and builds them where their tools are; and it fetches the brokers of other
// authors, into a folder of its own: nothing is installed on the machine, nothing started.
package foreign

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

//go:embed src
var sources embed.FS

// Program is a program that speaks the line protocol of package lab.
type Program struct {
	lab.Description
	// Build makes it runnable and returns its command, or says why it cannot.
	Build func(b *Box) (command []string, version string, err error)
}

// Programs returns all that there are.
func Programs() []Program {
	noLoan := "it has no shared memory"
	return []Program{
		{lab.Description{
			Name: "libzmq", About: "C; DEALER to ROUTER, one thread with as many requests under way as there are callers; hub: its own proxy",
			Schemes: []string{"unix", "tcp"}, Patterns: []string{lab.Calls, lab.Streams, "hub " + lab.Calls, "hub " + lab.Pubs},
			Cannot: map[string]string{lab.Loans: noLoan},
		}, buildZMQ},
		{lab.Description{
			Name: "multiprocessing", About: "Python's multiprocessing.connection, bytes; one thread with as many requests under way as there are callers",
			Schemes: []string{"unix", "tcp"}, Patterns: []string{lab.Calls, lab.Streams},
			Cannot: map[string]string{lab.Loans: noLoan},
		}, buildPython},
		{lab.Description{
			Name: "iceoryx2", About: "Rust; a service of publish and subscribe there and one back; who waits polls and yields, and never sleeps",
			Schemes: []string{"shm"}, Patterns: []string{lab.Calls, lab.Streams, lab.Loans}, One: true,
		}, buildIceoryx},
		{lab.Description{
			Name: "CommIPC", About: "Python, asyncio; raw bytes without models", Schemes: []string{"unix"},
			Patterns: []string{"hub " + lab.Calls, "hub " + lab.Pubs},
		}, buildCommIPC},
	}
}

// Box is where programs are built and kept.
type Box struct {
	Folder  string // absolute
	Install bool   // fetch what is missing
	Log     func(format string, args ...any)
}

// source writes a source into the box.
func (b *Box) source(name string) (string, error) {
	text, err := sources.ReadFile("src/" + name)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.Folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	return to, os.WriteFile(to, text, 0o600)
}

// prefix is where Debian's packages are unpacked.
func (b *Box) prefix() string { return filepath.Join(b.Folder, "debian") }

// libraries are the folders with shared libraries of the box.
func (b *Box) libraries() []string {
	found, _ := filepath.Glob(filepath.Join(b.prefix(), "usr/lib/*-linux-gnu*"))
	return append(found, filepath.Join(b.prefix(), "usr/lib"))
}

// Environment is the environment of processes that use what is in the box.
func (b *Box) Environment() []string {
	path := []string{os.Getenv("PATH"), filepath.Join(b.prefix(), "usr/bin"), filepath.Join(b.prefix(), "usr/sbin"), "/usr/sbin"}
	return append(os.Environ(), "PATH="+strings.Join(path, ":"), "LD_LIBRARY_PATH="+strings.Join(b.libraries(), ":"))
}

// Look finds a program on this machine or in the box.
func (b *Box) Look(name string) (string, error) {
	if at, err := exec.LookPath(name); err == nil {
		return at, nil
	}
	for _, folder := range []string{"usr/bin", "usr/sbin"} {
		at := filepath.Join(b.prefix(), folder, name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
	}
	if at := filepath.Join("/usr/sbin", name); exists(at) {
		return at, nil
	}
	return "", fmt.Errorf("%s is not on this machine (-install fetches it)", name)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Fetch unpacks Debian packages, with what they need and this machine does not have.
func (b *Box) Fetch(packages ...string) error {
	if !b.Install {
		return nil
	}
	archives := filepath.Join(b.Folder, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o700); err != nil {
		return err
	}
	b.Log("fetching %s", strings.Join(packages, ", "))
	download := append([]string{
		"install", "-y", "-qq", "--no-install-recommends", "--download-only",
		"-o", "Dir::Cache::archives=" + archives, "-o", "Debug::NoLocking=1",
	}, packages...)
	if _, err := b.run("apt-get", download...); err != nil {
		if _, e := b.run("apt-get", "update", "-qq"); e != nil {
			return e
		}
		if _, err = b.run("apt-get", download...); err != nil {
			return err
		}
	}
	found, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range found {
		if _, err := b.run("dpkg", "-x", archive, b.prefix()); err != nil {
			return err
		}
	}
	return nil
}

// Version is the version of a Debian package, on this machine or in the box; "" if it is
// in neither.
func (b *Box) Version(name string) string {
	if out, err := b.run("dpkg-query", "-W", "-f=${Version}", name); err == nil && out != "" {
		return out
	}
	found, _ := filepath.Glob(filepath.Join(b.Folder, "archives", name+"_*.deb"))
	if len(found) == 0 {
		return ""
	}
	return strings.Split(filepath.Base(found[0]), "_")[1]
}

// run runs a tool to its end; of what it said, the last line is in the error.
func (b *Box) run(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = b.Folder
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("%s: %w: %s", name, err, lines[len(lines)-1])
	}
	return string(out), nil
}

// Probe builds the spin probe in C.
func (b *Box) Probe() (string, error) {
	source, err := b.source("probe.c")
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.Folder, "probe")
	_, err = b.run("gcc", "-O2", "-o", to, source)
	return to, err
}

func buildZMQ(b *Box) ([]string, string, error) {
	source, err := b.source("zmq.c")
	if err != nil {
		return nil, "", err
	}
	to := filepath.Join(b.Folder, "zmq")
	args := []string{"-O2", "-o", to, source, "-I", filepath.Join(b.prefix(), "usr/include")}
	for _, folder := range b.libraries() {
		args = append(args, "-L", folder, "-Wl,-rpath-link,"+folder)
	}
	args = append(args, "-lzmq")
	if _, err = b.run("gcc", args...); err != nil && b.Install {
		if err = b.Fetch("libzmq3-dev"); err == nil {
			return buildZMQ(&Box{Folder: b.Folder, Log: b.Log})
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("it needs gcc and libzmq3-dev (-install fetches the latter): %w", err)
	}
	return []string{to}, b.Version("libzmq5"), nil
}

// python finds an interpreter and its version.
func (b *Box) python() (at, version string, err error) {
	if at, err = exec.LookPath("python3"); err != nil {
		return "", "", err
	}
	version, err = b.run(at, "--version")
	return at, strings.TrimSpace(version), err
}

func buildPython(b *Box) ([]string, string, error) {
	at, version, err := b.python()
	if err != nil {
		return nil, "", err
	}
	source, err := b.source("mpconn.py")
	return []string{at, source}, version, err
}

// iceoryx is the version that is measured, see its Cargo.toml.
const iceoryx = "0.10.0"

func buildIceoryx(b *Box) ([]string, string, error) {
	if _, err := b.source("iceoryx/main.rs"); err != nil {
		return nil, "", err
	}
	manifest, err := b.source("iceoryx/Cargo.toml")
	if err != nil {
		return nil, "", err
	}
	build := []string{"build", "--release", "--quiet", "--manifest-path", manifest}
	if !b.Install {
		build = append(build, "--offline")
	} else {
		b.Log("building iceoryx2 %s (once, a minute)", iceoryx)
	}
	if _, err := b.run("cargo", build...); err != nil {
		return nil, "", fmt.Errorf("it needs cargo, and its crates (-install fetches those): %w", err)
	}
	return []string{filepath.Join(b.Folder, "iceoryx", "target", "release", "iceoryx")}, iceoryx, nil
}

// commIPC is the version that is measured.
const commIPC = "0.1.16"

func buildCommIPC(b *Box) ([]string, string, error) {
	at, version, err := b.python()
	if err != nil {
		return nil, "", err
	}
	source, err := b.source("commipc.py")
	if err != nil {
		return nil, "", err
	}
	folder := filepath.Join(b.Folder, "python")
	interpreter := filepath.Join(folder, "bin", "python")
	ready := func() bool {
		_, err := b.run(interpreter, "-c", "import comm_ipc")
		return err == nil
	}
	if !ready() {
		if !b.Install {
			return nil, "", fmt.Errorf("comm-ipc is not on this machine (-install fetches it)")
		}
		b.Log("fetching comm-ipc %s", commIPC)
		if _, err := b.run(at, "-m", "venv", folder); err != nil {
			return nil, "", err
		}
		if _, err := b.run(interpreter, "-m", "pip", "install", "-q", "comm-ipc=="+commIPC, "fastapi", "uvloop"); err != nil {
			return nil, "", err
		}
	}
	return []string{interpreter, source}, commIPC + ", " + version, nil
}
