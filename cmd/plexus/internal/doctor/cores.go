// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/machine"
)

// What a processor should give.
const (
	dearClock = 300 * time.Nanosecond // a clock that takes a system call
	dearYield = 20 * time.Microsecond
)

func kernel(s *System) []Check {
	if s.Kernel == "" {
		return nil
	}
	c := Check{Name: "kernel", Value: s.OS + " " + s.Kernel, Verdict: OK, Meaning: "The system that all of this is asked of."}
	if s.OS == "linux" {
		c.Meaning = "Shared memory needs seals that Linux has from 5.1 on; before, connections stay sockets."
		if major, minor, ok := version(s.Kernel); ok && (major < 5 || major == 5 && minor < 1) {
			c.Verdict = Better
			c.Command = "uname -r   # and a newer kernel from your distribution"
		}
	}
	return []Check{c}
}

// version reads the first two numbers of a kernel's version.
func version(text string) (major, minor int, ok bool) {
	a, rest, _ := strings.Cut(text, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	major, err := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(rest)
	return major, minor, err == nil && err2 == nil
}

func cores(s *System) []Check {
	c := Check{
		Name: "cores", Value: strconv.Itoa(s.Cores), Verdict: OK,
		Meaning: "The two sides of a call work at the same time if there are two cores; on one they take turns, and polling shared memory has no use. Cores that share a physical one pass memory on faster, and compute slower.",
	}
	if n := machine.Siblings(s.ReadFile); n > 0 {
		c.Value += fmt.Sprintf(", %d per physical core", n)
	}
	if s.Cores == 1 {
		c.Verdict = Better
		c.Command = s.pick("taskset -cp $$   # shows which cores this shell may use; a container: docker run --cpuset-cpus 0-1", "")
	}
	return []Check{c}
}

func procs(s *System) []Check {
	c := Check{
		Name: "GOMAXPROCS", Value: strconv.Itoa(s.Procs), Verdict: OK,
		Meaning: "How many threads of a Go program run Go code at a time. Go takes the cores, or the limit of the container, unless the variable says otherwise.",
	}
	if s.Procs == 1 && s.Cores > 1 || s.Procs > 2*s.Cores {
		c.Verdict, c.Command = Better, "unset GOMAXPROCS"
		if s.Getenv("GOMAXPROCS") == "" {
			c.Command = "docker run --cpus 2   # the container's limit decides"
		}
	}
	return []Check{c}
}

// quota is the share of processor time that the control group may use.
func quota(s *System) []Check {
	if s.OS != "linux" {
		return nil
	}
	c := Check{
		Name: "processor limit", Value: "none", Verdict: OK, Command: "docker run --cpus 2   # systemctl set-property UNIT CPUQuota=200%",
		Meaning: "What the control group may use of the cores. Who has used it up stands still until the next period, up to 100 ms: the longest times of calls show it.",
	}
	if least, ok := s.cpuQuota(); ok {
		c.Value = fmt.Sprintf("%.2f cores", least)
		if least < min(2, float64(s.Cores)) {
			c.Verdict = Better
		}
	}
	return []Check{c}
}

// cpuQuota returns the least quota on the way up from this process's control group.
func (s *System) cpuQuota() (float64, bool) {
	least, found := 0.0, false
	take := func(used, period string) {
		a, err := strconv.ParseFloat(used, 64)
		b, err2 := strconv.ParseFloat(period, 64)
		if err == nil && err2 == nil && a > 0 && b > 0 && (!found || a/b < least) {
			least, found = a/b, true
		}
	}
	for _, folder := range upwards(s.groupPath("")) {
		used, period, _ := strings.Cut(s.text("/sys/fs/cgroup"+folder+"/cpu.max"), " ")
		take(used, period)
	}
	for _, folder := range upwards(s.groupPath("cpu")) {
		take(s.text("/sys/fs/cgroup/cpu"+folder+"/cpu.cfs_quota_us"), s.text("/sys/fs/cgroup/cpu"+folder+"/cpu.cfs_period_us"))
	}
	return least, found
}

func clock(s *System) []Check {
	cost := s.Clock()
	c := Check{
		Name: "clock", Value: fmt.Sprintf("%d ns a reading", cost.Nanoseconds()), Verdict: OK,
		Meaning: "Deadlines and measurements read the clock. It should be read without a system call.",
	}
	const folder = "/sys/devices/system/clocksource/clocksource0/"
	if source := s.text(folder + "current_clocksource"); source != "" {
		c.Value = source + ", " + c.Value
	}
	if cost > dearClock {
		c.Verdict = Better
		for _, good := range []string{"tsc", "kvm-clock"} {
			if strings.Contains(" "+s.text(folder+"available_clocksource")+" ", " "+good+" ") {
				c.Command = "echo " + good + " | sudo tee " + folder + "current_clocksource"
				break
			}
		}
	}
	return []Check{c}
}

func yield(s *System) []Check {
	if s.Yield == nil {
		return nil
	}
	c := Check{
		Name: "sched_yield", Verdict: OK,
		Meaning: "Who polls shared memory gives the processor up between two looks, so that the other side can work on the same core. Where that is forbidden or slow, waiting costs more.",
	}
	cost, err := s.Yield()
	switch {
	case err != nil:
		c.Value, c.Verdict, c.Command = err.Error(), Better, "docker run --security-opt seccomp=…   # a profile that allows sched_yield"
	default:
		c.Value = fmt.Sprintf("works, %d ns", cost.Nanoseconds())
		if cost > dearYield {
			c.Verdict = Better
		}
	}
	return []Check{c}
}
