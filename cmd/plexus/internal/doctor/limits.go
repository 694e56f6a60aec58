// SPDX-License-Identifier: Apache-2.0

package doctor

import "fmt"

// What limits connections.
const (
	fewDescriptors  = 256
	someDescriptors = 16 << 10
	wantedBacklog   = 4096    // what Plexus asks for
	enoughBacklog   = 1024    // bursts of more clients are rare
	askedBuffer     = 1 << 20 // what is tried
	enoughBuffer    = 64 << 10
)

// pick returns the text for the system.
func (s *System) pick(linux, darwin string) string {
	switch s.OS {
	case "linux":
		return linux
	case "darwin":
		return darwin
	}
	return ""
}

func descriptors(s *System) []Check {
	if s.Limit == nil {
		return nil
	}
	soft, hard, ok := s.Limit("nofile")
	if !ok {
		return nil
	}
	c := Check{
		Name: "descriptors", Value: count(soft) + ", at most " + count(hard), Verdict: OK,
		Meaning: "Each connection takes a descriptor (over shared memory some more); a hub admits 10 000 sessions unless told otherwise. A Go program raises its own limit to what it may have at most.",
		Command: s.pick("ulimit -Hn 65536   # for a service: LimitNOFILE=65536 in its unit; for all: /etc/security/limits.conf",
			"sudo launchctl limit maxfiles 65536 524288"),
	}
	switch {
	case soft < fewDescriptors:
		c.Verdict = Problem
	case soft < someDescriptors:
		c.Verdict = Better
	}
	return []Check{c}
}

func unixSockets(s *System) []Check {
	c := Check{Name: "unix sockets", Value: "work", Verdict: OK, Meaning: "Names and unix addresses are sockets in the file system: the usual way between processes of a machine."}
	if err := s.Listen("unix"); err != nil {
		c.Value, c.Verdict = err.Error(), Problem
		if s.OS != "windows" {
			c.Command = "export TMPDIR=…   # a folder on a file system that has sockets"
		}
	}
	return []Check{c}
}

func loopback(s *System) []Check {
	c := Check{Name: "tcp on loopback", Value: "works", Verdict: OK, Meaning: "tcp and tls addresses on this machine need the loopback interface."}
	if err := s.Listen("tcp"); err != nil {
		c.Value, c.Verdict = err.Error(), Problem
		c.Command = s.pick("sudo ip link set lo up", "sudo ifconfig lo0 up")
	}
	return []Check{c}
}

func buffers(s *System) []Check {
	if s.Buffers == nil {
		return nil
	}
	var all []Check
	for _, network := range []string{"unix", "tcp"} {
		c := Check{
			Name: network + " socket buffers", Verdict: OK,
			Meaning: "The size by default, and what is granted when 1 MiB is asked for (in Go Transport.SendBuffer and RecvBuffer). Large messages gain from more, small ones do not: see docs/tuning.md.",
			Command: s.pick("sudo sysctl -w net.core.wmem_max=1048576 net.core.rmem_max=1048576", "sudo sysctl -w kern.ipc.maxsockbuf=8388608"),
		}
		b, err := s.Buffers(network, askedBuffer)
		if err != nil {
			c.Value, c.Verdict, c.Command = err.Error(), Better, ""
		} else {
			if network == "tcp" {
				c.Meaning += " The kernel makes those of a tcp connection larger as it needs them, unless a size was asked for."
			}
			c.Value = fmt.Sprintf("send %s, receive %s; of 1 MiB granted %s and %s", size(uint64(b.Send)), size(uint64(b.Recv)), size(uint64(b.GrantedSend)), size(uint64(b.GrantedRecv)))
			if min(b.GrantedSend, b.GrantedRecv) < enoughBuffer {
				c.Verdict = Better
			}
		}
		all = append(all, c)
	}
	return all
}

// spaces are the buffers of unix sockets on macOS, which are small.
func spaces(s *System) []Check {
	if s.Sysctl == nil {
		return nil
	}
	var all []Check
	for _, name := range []string{"net.local.stream.sendspace", "net.local.stream.recvspace"} {
		n, ok := s.Sysctl(name)
		if !ok {
			continue
		}
		c := Check{
			Name: name, Value: size(n), Verdict: OK,
			Meaning: "The buffer of a unix socket that asks for nothing. With 8 KiB a message of 64 KiB takes eight turns of both sides.",
			Command: "sudo sysctl -w " + name + "=262144",
		}
		if n < enoughBuffer {
			c.Verdict = Better
		}
		all = append(all, c)
	}
	return all
}

func backlog(s *System) []Check {
	var n uint64
	var ok bool
	name := "net.core.somaxconn"
	if s.Sysctl != nil {
		name = "kern.ipc.somaxconn"
		n, ok = s.Sysctl(name)
	} else if s.OS == "linux" {
		n, ok = s.number("/proc/sys/net/core/somaxconn")
	}
	if !ok {
		return nil
	}
	c := Check{
		Name: "backlog", Value: fmt.Sprintf("%d (%s)", n, name), Verdict: OK,
		Meaning: fmt.Sprintf("So many clients may wait to be accepted; Plexus asks for %d. More at once wait, or are refused over tcp.", wantedBacklog),
		Command: fmt.Sprintf("sudo sysctl -w %s=%d", name, wantedBacklog),
	}
	if n < enoughBacklog {
		c.Verdict = Better
	}
	return []Check{c}
}

func credentials(s *System) []Check {
	if s.PeerCredentials == nil {
		return nil
	}
	c := Check{Name: "peer credentials", Value: "work", Verdict: OK, Meaning: "The kernel tells which user is at the other end of a unix socket: that is how a hub knows who may connect."}
	if err := s.PeerCredentials(); err != nil {
		c.Value, c.Verdict = err.Error(), Problem
		c.Command = "plexus serve --secret-file …   # then who connects proves a secret instead"
	}
	return []Check{c}
}
