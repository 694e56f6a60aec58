// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"
)

// Main is the main function of a program that consists of systems: it does one job, or
// lists what there is.
func Main(systems []System) {
	var j Job
	list := flag.Bool("list", false, "list the systems as JSON")
	j.Flags(flag.CommandLine)
	flag.Parse()
	if *list {
		var all []Description
		for _, s := range systems {
			all = append(all, s.Describe())
		}
		Print(all)
		return
	}
	if err := Do(systems, j); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", j.System, j.Role, err)
		os.Exit(1)
	}
}

// Do does one job of a process. It returns when standard input has ended, or, of a job
// that measures, when the result is printed.
func Do(systems []System, j Job) error {
	if j.Role == Probe {
		fmt.Println(SpinProbe(100 * time.Millisecond).Nanoseconds())
		return nil
	}
	for i := range systems {
		if systems[i].Name == j.System {
			defer profile(j)()
			return systems[i].do(j)
		}
	}
	return fmt.Errorf("there is no system %q", j.System)
}

func (s *System) do(j Job) error {
	gone, goes := make(chan struct{}), make(chan struct{}, 1)
	go listen(goes, gone)
	serving := map[string]func(Job) error{Serve: s.Serve, Hub: s.Hub, Provide: s.Provide}
	if f, ok := serving[j.Role]; ok {
		if f == nil {
			return ErrCannot
		}
		if err := f(j); err != nil {
			return err
		}
		fmt.Println("ready")
		<-gone
		return nil
	}
	failed := make(chan error, 1)
	go func() { failed <- s.active(j, goes, gone) }()
	select {
	case err := <-failed:
		return err
	case <-gone:
		return nil
	}
}

// listen tells of each line of standard input, and of its end.
func listen(goes chan<- struct{}, gone chan<- struct{}) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		select {
		case goes <- struct{}{}:
		default:
		}
	}
	close(gone)
}

// active does what has an end of its own.
func (s *System) active(j Job, goes, gone <-chan struct{}) error {
	switch {
	case j.Role == Call && s.Dial != nil:
		c, err := s.Dial(j)
		if err != nil {
			return err
		}
		return call(j, c, func() {
			fmt.Println("begin")
			select {
			case <-goes:
			case <-gone:
			}
		})
	case j.Role == Subscribe && s.Subscribe != nil:
		return subscribe(j, s.Subscribe)
	case j.Role == Publish && s.Publish != nil:
		p, err := s.Publish(j)
		if err != nil {
			return err
		}
		return publish(j, p, gone)
	}
	return ErrCannot
}

// Print prints a value as a line of JSON.
func Print(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	fmt.Println(string(b))
}

// profile starts a CPU profile, if one is wanted, and returns what ends it.
func profile(j Job) func() {
	if j.Profile == "" {
		return func() {}
	}
	scheme, _ := Split(j.At)
	name := fmt.Sprintf("%s-%s-%s-%s-%d.pprof", j.System, j.Pattern, scheme, j.Role, j.Callers)
	f, err := os.Create(filepath.Join(j.Profile, name))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// version is the version of a module that this program is built from.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok || module == "" {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}

// Split cuts an address into scheme and the rest.
func Split(at string) (scheme, rest string) {
	scheme, rest, _ = strings.Cut(at, "://")
	return scheme, rest
}

// Listen listens at an address of a job, for systems that take a net.Listener.
func Listen(j Job) (net.Listener, error) {
	network, address := Split(j.At)
	return net.Listen(network, address)
}

// Connect dials an address of a job until somebody listens there.
func Connect(j Job) (net.Conn, error) {
	network, address := Split(j.At)
	var c net.Conn
	err := Retry(func() (err error) {
		c, err = net.Dial(network, address)
		return err
	})
	return c, err
}

// Retry does f until it succeeds, for some seconds: brokers of other authors do not say
// when they are ready.
func Retry(f func() error) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := f()
		if err == nil || time.Since(began) > 5*time.Second {
			return err
		}
	}
}
