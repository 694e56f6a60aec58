// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestHistogram: a quantile is within 1 % of the sorted values, over the whole range.
func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for range 100_000 {
		d := time.Duration(r.Uint64N(1 << r.IntN(38)))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := h.quantile(q); got < want-want/64-1 || got > want+want/64+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	var twice histogram
	twice.merge(&h)
	twice.merge(&h)
	if twice.total != 2*h.total || twice.quantile(0.5) != h.quantile(0.5) {
		t.Error("two merged halves are not the whole")
	}
	for _, d := range []time.Duration{-1, 0, 1, 1 << 50} {
		h.add(d) // out of range is no panic
	}
	if n := testing.AllocsPerRun(100, func() { h.add(time.Microsecond) }); n != 0 {
		t.Errorf("add allocates %v", n)
	}
}

// TestBuckets: they follow each other without gaps.
func TestBuckets(t *testing.T) {
	for i := 1; i < buckets; i++ {
		if a, b := middleOf(i-1), middleOf(i); a >= b || bucketOf(b) != i {
			t.Fatalf("bucket %d: %v after %v, found again at %d", i, b, a, bucketOf(b))
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		"64": 64, "1K": 1 << 10, "1k": 1 << 10, "256KiB": 256 << 10, "1MB": 1 << 20, "2G": 2 << 30, "7B": 7,
		"": -1, "K": -1, "-1": -1, "1T": -1, "1.5K": -1, "99999999999": -1, "1KM": -1,
	} {
		got, err := ParseSize(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if want > 0 && err == nil {
			if again, _ := ParseSize(report.SizeText(got)); again != got {
				t.Errorf("%d is written %q", got, report.SizeText(got))
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Count: -1}, {Count: maxCount + 1}, {Rounds: -1}, {Rounds: maxRounds + 1}, {Callers: []int{0}}, {Callers: []int{maxCallers + 1}},
		{Transports: []string{"pigeon"}}, {Patterns: []string{"x"}}, {Routes: []string{""}}, {Sizes: []string{"15"}},
		{Sizes: []string{"9M"}}, {Sizes: []string{"x"}}, {Buffers: []string{"x"}}, {Buffers: []string{"12"}},
	} {
		if _, err := o.check(); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%+v: %v", o, err)
		}
	}
	o := Options{Transports: []string{"tcp", "unix", "unix"}, Sizes: []string{"1K", "64", "1024"}, Callers: []int{8, 1, 8}, Buffers: []string{"default", "64K", "65536"}}
	s, err := o.check()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.transports, []string{"unix", "tcp"}) || !slices.Equal(s.sizes, []int{64, 1024}) || !slices.Equal(s.callers, []int{1, 8}) ||
		!slices.Equal(s.buffers, []buffer{{"default", 0}, {"64K", 65536}}) || s.rounds != 3 {
		t.Errorf("%+v", s)
	}
}

// TestCases: what the issue asks for, and what narrows it.
func TestCases(t *testing.T) {
	full, _ := (&Options{}).check()
	if n := len(full.cases(false)); n != 3*4+4+2*4 {
		t.Errorf("%d cases", n)
	}
	quick, _ := (&Options{Quick: true}).check()
	if n := len(quick.cases(true)); n != 2*2+2+2*2 {
		t.Errorf("%d quick cases", n)
	}
	some, _ := (&Options{Callers: []int{2, 1}, Sizes: []string{"64"}}).check()
	want := []report.Case{{Pattern: report.Call, Callers: 1, Bytes: 64}, {Pattern: report.Call, Callers: 2, Bytes: 64}, {Pattern: report.Stream, Callers: 1, Bytes: 64}, {Pattern: report.Publish, Callers: 1, Bytes: 64}, {Pattern: report.Publish, Callers: 2, Bytes: 64}}
	if got := some.cases(false); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	slots := len(quick.cases(true)) * 2 * 7 * 3
	if total := quick.slotTime(slots, true) * time.Duration(slots); total > quickLimit {
		t.Errorf("quick takes %v", total)
	}
	slots = len(full.cases(false)) * 2 * 7 * 3
	if total := full.slotTime(slots, false) * time.Duration(slots); total > 4*time.Minute {
		t.Errorf("all takes %v", total)
	}
}

// TestUsed: what reading the gauges costs is taken out.
func TestUsed(t *testing.T) {
	g := func(cpu time.Duration, mallocs, calls uint64) gauge { return gauge{&cpu, mallocs, &calls} }
	u := used([][3]gauge{{g(0, 0, 0), g(5, 10, 2), g(105, 120, 52)}, {g(100, 100, 100), g(200, 200, 200), g(250, 250, 250)}})
	if *u.cpu != 95 || u.allocs != 100 || *u.calls != 48 {
		t.Errorf("%v %v %v", *u.cpu, u.allocs, *u.calls)
	}
	blind := used([][3]gauge{{g(0, 0, 0), g(0, 0, 0), g(1, 1, 1)}, {}})
	if blind.cpu != nil || blind.calls != nil {
		t.Error("one process tells nothing, and yet there is a sum")
	}
	if n, ok := ioCounter([]byte("rchar: 1\nsyscr: 12\nsyscw: 34\n"), "syscw: "); n != 34 || !ok {
		t.Error(n, ok)
	}
	if _, ok := ioCounter([]byte("rchar: 1\n"), "syscw: "); ok {
		t.Error("found what is not there")
	}
	before := readGauge()
	if after := readGauge(); after.Mallocs < before.Mallocs || before.CPU != nil && *after.CPU < *before.CPU {
		t.Errorf("%+v then %+v", before, after)
	}
}

func TestRequests(t *testing.T) {
	r := request{1, 64, 3}
	if got, err := readRequest(r.bytes()); err != nil || got != r {
		t.Errorf("%v, %v", got, err)
	}
	for _, b := range [][]byte{nil, make([]byte, 11), request{size: minSize - 1}.bytes(), request{size: maxSize + 1}.bytes()} {
		if _, err := readRequest(b); err == nil {
			t.Errorf("%v is a request", b)
		}
	}
	for size, want := range map[int]int{64: 1024, 64 << 10: 256, 1 << 20: 16, 8 << 20: 2} {
		if got := windowOf(size); got != want {
			t.Errorf("window of %d: %d, want %d", size, got, want)
		}
	}
}

// TestRows: medians, and what does not exist is null.
func TestRows(t *testing.T) {
	cpu := 30 * time.Microsecond
	one := func(p50 time.Duration) sample {
		return sample{ops: 10, took: time.Millisecond, p50: p50, p99: 9, used: usage{cpu: &cpu, allocs: 20}}
	}
	b, err := json.Marshal(rowOf(&rig{route: report.Direct, scheme: "unix"}, report.Case{Pattern: report.Call, Callers: 8, Bytes: 1 << 20}, []sample{one(3000), one(1000), one(2000)}))
	want := `{"pattern":"call","route":"direct","transport":"unix","callers":8,"bytes":1048576,"p50_us":2,"p99_us":0.009,` +
		`"per_second":10000,"mib_per_second":10000,"cpu_us_per_op":3,"allocs_per_op":2,"rw_calls_per_op":null}`
	if err != nil || string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
	if m := median([]sample{one(1), one(3)}, func(s *sample) float64 { return float64(s.p50) }); m != 2 {
		t.Error(m)
	}
}

func TestBar(t *testing.T) {
	var b strings.Builder
	x := newBar(&b, true)
	x.total = 4
	x.done(1)
	x.show("direct unix", report.Case{Pattern: report.Call, Callers: 1, Bytes: 64})
	x.show("too soon", report.Case{Pattern: report.Call, Callers: 1, Bytes: 64})
	x.end()
	if got := b.String(); !strings.Contains(got, "██████··") || !strings.Contains(got, "direct unix, call, 1 caller, 64") || strings.Contains(got, "too soon") {
		t.Errorf("%q", got)
	}
	quiet := newBar(io.Discard, false)
	quiet.show("", report.Case{})
	quiet.end()
}

func TestRoleIsPrivate(t *testing.T) {
	if err := Role(t.Context(), roleHub, strings.NewReader("hello\n"), io.Discard); status.CodeOf(err) != status.InvalidArgument {
		t.Error(err)
	}
	var out strings.Builder
	if err := Role(t.Context(), "x", strings.NewReader("{}\n"), &out); err != nil {
		t.Error(err)
	}
}
