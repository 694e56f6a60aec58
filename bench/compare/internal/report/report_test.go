// SPDX-License-Identifier: Apache-2.0

package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// sample is a run with one kind of work: Plexus at 20 µs, the floor at 10, a peer that has
// two states, and a broker that speaks TCP only.
func sample() *Run {
	r := &Run{Rounds: 4, Date: "today", Machine: Machine{Cores: 2, System: "x"}, Systems: []lab.Description{
		{Name: Ours, Schemes: []string{"unix", "tcp"}},
		{Name: Floor, Schemes: []string{"unix"}},
		{Name: "peer", Schemes: []string{"unix"}, Cannot: map[string]string{lab.Streams: "it has none"}},
		{Name: "broker", Schemes: []string{"tcp"}},
	}, Skipped: []Skip{{System: "gone", Reason: "not here"}}}
	for round := range 4 {
		slow := float64(round/2 + 1) // the second half of the rounds is twice as slow for all
		add := func(row, scheme, system string, p50 float64) {
			r.Records = append(r.Records, Record{Round: round, Row: row, Scheme: scheme, System: system, P50: p50, PerSecond: 1e6 / p50, CPU: 1, Probe: 250})
		}
		for _, row := range []string{"call-1", "hub-1"} {
			add(row, "unix", Ours, 20*slow)
			add(row, "unix", Floor, 10*slow)
			add(row, "unix", "peer", 100*slow)
			add(row, "tcp", "broker", 500)
		}
	}
	r.Records = append(r.Records, Record{Round: 1, Row: "call-1", Scheme: "unix", System: Ours, P50: 9999, Repeated: true})
	return r
}

func TestTable(t *testing.T) {
	table := sample().table(Rows[0], "unix")
	if len(table.cells) != 3 || table.cells[0].system != Floor || table.cells[2].system != "peer" {
		t.Fatalf("%+v", table.cells)
	}
	ours := table.find(Ours)
	if ours.toFloor != 0.5 || table.find("peer").toOurs != 0.2 {
		t.Errorf("ours %v of the floor, the peer %v of ours: ratios are of the same round", ours.toFloor, table.find("peer").toOurs)
	}
	if ours.figure.high != 40 || ours.figure.low != 20 {
		t.Errorf("%+v: a set that was repeated counts", ours.figure)
	}
	if !strings.Contains(ours.states, "two states: 20.0 µs (2 of 4) and 40.0 µs") && !strings.Contains(ours.states, "two states: 20 µs (2 of 4) and 40 µs") {
		t.Errorf("states %q", ours.states)
	}
}

// TestBorrowed: a broker without unix sockets stands among those that have them.
func TestBorrowed(t *testing.T) {
	for _, row := range Rows {
		if row.ID == "hub-1" {
			if table := sample().table(row, "unix"); table.find("broker") == nil || table.find("broker").label != "broker (tcp)" {
				t.Errorf("%+v", table.cells)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	page := filepath.Join(folder, "benchmarks.md")
	if err := os.WriteFile(page, []byte("above\n"+beginMark+"old"+endMark+"\nbelow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over what the first wrote
		if err := Write(sample(), folder); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"above\n", "\nbelow\n", "| Call, 64 B, one caller | unix | **", "gone: not here", "peer, stream: it has none", "plots/direct-unix.svg"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") || strings.Count(string(text), beginMark) != 1 {
		t.Error("the section was not replaced")
	}
	if _, err := os.Stat(filepath.Join(folder, "plots", "direct-unix.svg")); err != nil {
		t.Error(err)
	}
}

func TestWriteWithoutMarks(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "benchmarks.md"), []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if Write(sample(), folder) == nil {
		t.Error("a page without marks was overwritten")
	}
}

func TestSaveAndLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.json")
	r := sample()
	if err := r.Save(name); err != nil {
		t.Fatal(err)
	}
	again, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Records) != len(r.Records) || again.Records[3] != r.Records[3] || again.Skipped[0] != r.Skipped[0] {
		t.Errorf("%+v came back", again)
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0.0123: "0.012", 0.5: "0.50", 9.99: "9.99", 18.34: "18.3", 434.2: "434", 20: "20", 1e6: "1000000"} {
		if got := digits(v); got != want {
			t.Errorf("digits(%v) = %s, want %s", v, got, want)
		}
	}
	if got := perSecond(847_000); got != "847 k" {
		t.Error(got)
	}
	if got := micros(12_345); got != "12.3 ms" {
		t.Error(got)
	}
}
