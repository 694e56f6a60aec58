// SPDX-License-Identifier: Apache-2.0

//go:build unix

package place

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestShared(t *testing.T) {
	tree := map[string]entry{
		"/": {}, "/run": {}, "/run/app": {uid: 7}, "/run/bad": {uid: 8}, "/run/app/in": {uid: 7, others: true},
		"/tmp": {others: true}, "/tmp/app": {uid: 7}, "/safe": {link: "/run/app"}, "/run/up": {link: "../run/app"},
		"/run/app/dot": {link: "./../bad/../app"}, "/tmp/link": {link: "/run/app"}, "/through": {link: "tmp/link"}, "/loop": {link: "loop"}, "/alien": {uid: 9},
	}
	look := func(p string) (entry, error) {
		if e, ok := tree[p]; ok {
			return e, nil
		}
		return entry{}, errors.New(p)
	}
	for dir, want := range map[string]string{
		"/": "", "/run": "", "/run/app": "", "/safe": "", "/run/up": "",
		"/run/app/..": "", "/safe/..": "", "//run/./app/": "",
		"/run/app/dot": "/run/bad belongs", "/tmp/link/..": "write to /tmp", "/run/bad": "/run/bad belongs", "/run/app/in": "write to /run/app/in", "/tmp": "write to /tmp", "/tmp/app": "write to /tmp",
		"/tmp/link": "write to /tmp", "/through": "write to /tmp", "/alien": "/alien belongs",
	} {
		why, err := shared(dir, []int{7}, look)
		if err != nil || (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q, %v", dir, why, err)
		}
	}
	for _, dir := range []string{"/loop", "/none", "/run/none/x"} {
		if why, err := shared(dir, []int{7}, look); err == nil {
			t.Errorf("%s: %q", dir, why)
		}
	}
}

// The same with real folders.
func TestSharedReally(t *testing.T) {
	dir, err := os.MkdirTemp("", "place")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if why, err := Shared(filepath.Join(dir, "s"), os.Getuid()); err != nil || !strings.Contains(why, "other users can write to") {
		t.Fatal(why, err)
	}
	if why, err := Shared("/etc/s"); err != nil || why != "" {
		t.Fatal(why, err)
	}
	if _, err := Shared(filepath.Join(dir, "none", "s"), os.Getuid()); dir[:4] != "/tmp" && err == nil {
		t.Fatal("a folder that does not exist")
	}
}
