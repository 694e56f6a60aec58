// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCountList(t *testing.T) {
	for text, want := range map[string]int{
		"0": 1, "0,4\n": 2, "0-3": 4, "0-3,8-9": 6, "": 0, "a": 0, "3-1": 0, "1-x": 0,
	} {
		if got := CountList(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestModel(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: AMD EPYC\n": "AMD EPYC",
		"Model\t\t: Raspberry Pi 4\n":                                      "Raspberry Pi 4",
		"nothing":                                                          "",
	} {
		if got := modelIn(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	m := Describe("v1")
	if m.OS != runtime.GOOS || m.Cores < 1 || m.Procs < 1 || m.Go == "" || m.Program != "v1" {
		t.Errorf("%+v", m)
	}
	if m.OS == "linux" && (m.Kernel == "" || m.Load == nil) {
		t.Errorf("%+v", m)
	}
	full := float64(m.Cores)
	m.Load = &full
	if !m.Busy() {
		t.Error("a full machine is not busy")
	}
	m.Load = nil
	if m.Busy() {
		t.Error("an unknown load is busy")
	}
}
