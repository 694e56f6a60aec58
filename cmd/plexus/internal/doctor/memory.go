// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strings"
)

// What shared memory needs.
const (
	smallFolder = 64 << 20  // what a container has in /dev/shm unless told otherwise
	smallMemory = 256 << 20 // of a container
)

func passing(s *System) []Check {
	if s.PassDescriptor == nil {
		return nil
	}
	c := Check{Name: "passing descriptors", Value: "works", Verdict: OK, Meaning: "Shared memory is given to the peer as a descriptor over a unix socket. Without it a connection stays a socket."}
	if err := s.PassDescriptor(); err != nil {
		c.Value, c.Verdict = err.Error(), Better
		c.Command = "docker run --security-opt seccomp=…   # a profile that allows sendmsg with SCM_RIGHTS"
	}
	return []Check{c}
}

func memfd(s *System) []Check {
	if s.Memfd == nil {
		return nil
	}
	c := Check{Name: "sealed memory files", Value: "work", Verdict: OK, Meaning: "Shared memory is a memfd that is sealed, so that no peer can shrink it under our feet or write where it should read. Without it a connection stays a socket."}
	if err := s.Memfd(); err != nil {
		c.Value, c.Verdict = err.Error(), Better
		c.Command = "docker run --security-opt seccomp=…   # a profile that allows memfd_create; else a kernel from 5.1 on"
	}
	return []Check{c}
}

func sharedFolder(s *System) []Check {
	if s.OS != "linux" || s.Space == nil {
		return nil
	}
	c := Check{
		Name: "/dev/shm", Verdict: OK, Command: "sudo mount -o remount,size=50% /dev/shm   # docker run --shm-size 1g",
		Meaning: "Shared memory with a name lives there. That of Plexus has none and is bounded by memory alone; other programs on this machine may need it.",
	}
	total, free, err := s.Space("/dev/shm")
	switch {
	case err != nil:
		c.Value, c.Verdict = "not there: "+err.Error(), Better
	default:
		c.Value = fmt.Sprintf("%s, %s free", size(total), size(free))
		if free < smallFolder/4 {
			c.Verdict = Better
		}
	}
	return []Check{c}
}

// memoryLimit is that of the control group: shared memory and message buffers count in it.
func memoryLimit(s *System) []Check {
	if s.OS != "linux" {
		return nil
	}
	c := Check{
		Name: "memory limit", Value: "none", Verdict: OK, Command: "docker run --memory 1g   # systemctl set-property UNIT MemoryMax=1G",
		Meaning: "What the control group may use. Messages under way, queues and shared memory count in it; who goes beyond is killed.",
	}
	if least, ok := s.group("memory.max", "memory/", "memory.limit_in_bytes"); ok {
		c.Value = size(least)
		if least < smallMemory {
			c.Verdict = Better
		}
	}
	return []Check{c}
}

func locked(s *System) []Check {
	if s.Limit == nil {
		return nil
	}
	soft, _, ok := s.Limit("memlock")
	if !ok {
		return nil
	}
	return []Check{{
		Name: "locked memory", Value: size(soft), Verdict: OK, Command: s.pick("ulimit -l unlimited", ""),
		Meaning: "Memory that may be kept from being swapped. Plexus locks none: this matters to programs that do.",
	}}
}

// queues are POSIX message queues, which mq addresses stand for.
func queues(s *System) []Check {
	if s.OS != "linux" {
		return nil
	}
	messages, a := s.number("/proc/sys/fs/mqueue/msg_max")
	longest, b := s.number("/proc/sys/fs/mqueue/msgsize_max")
	most, d := s.number("/proc/sys/fs/mqueue/queues_max")
	c := Check{
		Name: "message queues", Verdict: OK, Value: "not in this kernel",
		Meaning: "POSIX message queues: how many messages one holds, how long they may be, how many queues there may be. Only mq addresses use them.",
	}
	if a && b && d {
		c.Value = fmt.Sprintf("%d messages of %s, %d queues", messages, size(longest), most)
		c.Command = "sudo sysctl -w fs.mqueue.msg_max=64 fs.mqueue.msgsize_max=65536"
		if soft, _, ok := s.limit("msgqueue"); ok {
			c.Value += ", " + size(soft) + " for all of this user"
		}
	}
	return []Check{c}
}

func (s *System) limit(name string) (soft, hard uint64, ok bool) {
	if s.Limit == nil {
		return 0, 0, false
	}
	return s.Limit(name)
}

// groupPath returns the folder of this process's control group: of version 2, or of a
// controller of version 1.
func (s *System) groupPath(controller string) string {
	for line := range strings.Lines(s.text("/proc/self/cgroup") + "\n") {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if controller == "" && parts[0] == "0" || controller != "" && strings.Contains(","+parts[1]+",", ","+controller+",") {
			return parts[2]
		}
	}
	return ""
}

// group returns the least of a limit on the way from this process's control group up to
// the root.
func (s *System) group(file, controller, oldFile string) (uint64, bool) {
	least, found := uint64(1)<<62, false
	take := func(path string) {
		if n, ok := s.number(path); ok && n < least {
			least, found = n, true
		}
	}
	for _, folder := range upwards(s.groupPath("")) {
		take("/sys/fs/cgroup" + folder + "/" + file)
	}
	for _, folder := range upwards(s.groupPath(strings.TrimSuffix(controller, "/"))) {
		take("/sys/fs/cgroup/" + controller + strings.TrimPrefix(folder, "/") + "/" + oldFile)
	}
	return least, found
}

// upwards lists a folder and those above it, without the last slash: "/a/b", "/a", "".
func upwards(folder string) []string {
	folder = strings.TrimSuffix(folder, "/")
	all := []string{folder}
	for folder != "" {
		folder = folder[:max(strings.LastIndexByte(folder, '/'), 0)]
		all = append(all, folder)
	}
	return all
}
