// SPDX-License-Identifier: Apache-2.0

// Package lab is what the processes of the comparison have in common: what a system under
// measurement looks like, what one process is asked to do, and how the measuring is done.
//
// A process is started as
//
//	program -system NAME -role ROLE -pattern PATTERN -at ADDRESS …
//
// and speaks a line protocol on its standard output, which programs in other languages
// speak as well (see the folder foreign):
//
//	ready        it serves, provides or has subscribed
//	begin        the measured time begins; except for a subscriber, when a line has come in
//	end          it has ended
//	{…}          a Measure, the last line of a process that measures
//
// It ends when its standard input does.
package lab

import (
	"errors"
	"flag"
	"time"
)

// Roles of a process.
const (
	Serve     = "serve"     // the answering end of a direct conversation
	Hub       = "hub"       // the broker between two others
	Provide   = "provide"   // the answering end behind a hub
	Call      = "call"      // calls, or takes a stream, and measures
	Subscribe = "subscribe" // takes publications, and measures
	Publish   = "publish"   // publishes as fast as it can
	Probe     = "probe"     // spins against itself: tells how the cores stand to each other
)

// Patterns of a conversation.
const (
	Calls   = "call"    // request and answer
	Streams = "stream"  // one request, many items
	Loans   = "loan"    // a block that is filled here and read there, in place
	Pubs    = "publish" // many messages to all subscribers
)

// Job is what one process has to do.
type Job struct {
	System, Role, Pattern string
	At                    string        // scheme://path or scheme://host:port
	Hub                   bool          // At is a hub
	Callers               int           // at a time, on one connection
	Bytes                 int           // of a message
	Subscribers           int           // connections that subscribe
	Warm, Run             time.Duration // before, and measured
	Profile               string        // folder for CPU profiles, "" for none
}

// Flags adds the fields of a job to a flag set.
func (j *Job) Flags(f *flag.FlagSet) {
	f.StringVar(&j.System, "system", "", "internal: what is measured")
	f.StringVar(&j.Role, "role", "", "internal: what this process does")
	f.StringVar(&j.Pattern, "pattern", Calls, "internal: call, stream, loan or publish")
	f.StringVar(&j.At, "at", "", "internal: address")
	f.BoolVar(&j.Hub, "hub", false, "internal: through a hub")
	f.IntVar(&j.Callers, "callers", 1, "internal: callers at a time")
	f.IntVar(&j.Bytes, "bytes", 64, "internal: size of a message")
	f.IntVar(&j.Subscribers, "subscribers", 1, "internal: connections that subscribe")
	f.DurationVar(&j.Warm, "warm", 200*time.Millisecond, "time before a run is measured")
	f.DurationVar(&j.Run, "run", 600*time.Millisecond, "measured time of a run")
	f.StringVar(&j.Profile, "profiles", "", "internal: folder for CPU profiles")
}

// Measure is the result of one run. What was not measured is zero.
type Measure struct {
	Ops     uint64   `json:"ops"` // calls, items, or publications delivered to all subscribers together
	Seconds float64  `json:"seconds"`
	P50     float64  `json:"p50_us,omitempty"`
	P99     float64  `json:"p99_us,omitempty"`
	Allocs  *float64 `json:"allocs,omitempty"` // per call, both ends
}

// System is one thing to measure. What it cannot do is nil.
type System struct {
	Name    string            // as in the tables
	About   string            // how it is set up, in a few words
	Module  string            // its version is that of this Go module
	Schemes []string          // transports it speaks: unix, tcp, shm
	Cannot  map[string]string // pattern to the reason why it has no such row
	Program string            // what its hub needs on the machine, and Debian's package that has it
	Package string

	Serve   func(j Job) error
	Hub     func(j Job) error
	Provide func(j Job) error
	Dial    func(j Job) (*Client, error)
	// Subscribe connects j.Subscribers times and returns when all of them will get what is
	// published. got is told of each message, or of several at once: which subscriber, the
	// first byte, how many; for one subscriber by one goroutine at a time.
	Subscribe func(j Job, got func(subscriber int, kind byte, messages int)) error
	Publish   func(j Job) (*Publisher, error)
}

// Client is the calling end of a conversation, on one connection.
type Client struct {
	// Call sends a request and returns the answer, which is valid until the next call of
	// the same caller. Several callers call at the same time.
	Call func(caller int, request []byte) ([]byte, error)
	// Stream asks for n messages of the job's size and returns when it has them.
	Stream func(n int) error
	// Loan fills a block of the job's size, has the other end read it, and returns then.
	Loan func() error
	// Mallocs tells how often the other end has allocated, nil if it is not known.
	Mallocs func() (uint64, error)
}

// Publisher publishes on one connection.
type Publisher struct {
	Publish func(message []byte) error
	// Flush sends what is still here; nil if there is never anything.
	Flush func() error
}

// ErrCannot is what a system says that has no such thing as it is asked for.
var ErrCannot = errors.New("there is no such thing here")

// Description is what is known of a system without starting it.
type Description struct {
	Name     string            `json:"name"`
	About    string            `json:"about"`
	Version  string            `json:"version,omitempty"`
	Schemes  []string          `json:"schemes"`
	Patterns []string          `json:"patterns"` // "hub " stands before those that pass a hub
	Cannot   map[string]string `json:"cannot,omitempty"`
	One      bool              `json:"one,omitempty"` // it has no more than one caller on a connection
	Program  string            `json:"program,omitempty"`
	Package  string            `json:"package,omitempty"`
}

// Describe tells what is known of a system.
func (s *System) Describe() Description {
	d := Description{
		Name: s.Name, About: s.About, Version: version(s.Module), Schemes: s.Schemes, Cannot: s.Cannot, Program: s.Program, Package: s.Package,
	}
	add := func(pattern string, can bool) {
		if can && s.Cannot[pattern] == "" {
			d.Patterns = append(d.Patterns, pattern)
		}
	}
	direct := s.Serve != nil && s.Dial != nil
	add(Calls, direct)
	add(Streams, direct)
	add(Loans, direct)
	add("hub "+Calls, s.Hub != nil && s.Provide != nil && s.Dial != nil)
	add("hub "+Pubs, s.Hub != nil && s.Subscribe != nil && s.Publish != nil)
	return d
}
