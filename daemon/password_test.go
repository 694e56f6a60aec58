// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

func TestPasswordFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", "sesame\r\n", 0o600)
	if password, warning, err := daemon.ReadPassword(good); password != "sesame" || warning != "" && runtime.GOOS != "windows" || err != nil {
		t.Fatal(password, warning, err)
	}
	if _, warning, err := daemon.ReadPassword(write("open", "sesame", 0o644)); err != nil || runtime.GOOS != "windows" && !strings.Contains(warning, "chmod 600") {
		t.Fatal(warning, err)
	}
	for name, c := range map[string]daemon.Config{
		"empty":    {PasswordFiles: map[string]string{"a": write("empty", "\n", 0o600)}},
		"long":     {PasswordFiles: map[string]string{"a": write("long", strings.Repeat("x", 1025), 0o600)}},
		"missing":  {PasswordFiles: map[string]string{"a": filepath.Join(dir, "none")}},
		"reserved": {PasswordFiles: map[string]string{"$": good}},
		"pattern":  {Hub: hub.Config{Passwords: map[string]string{"a.*": "x"}}},
		"nothing":  {Hub: hub.Config{Passwords: map[string]string{"a": ""}}},
		"twice":    {PasswordFiles: map[string]string{"a": good}, Hub: hub.Config{Passwords: map[string]string{"a": "x"}}},
	} {
		_, err := daemon.New(c)
		if !errors.Is(err, status.InvalidArgument) || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := daemon.New(daemon.Config{PasswordFiles: map[string]string{"a": good}}); err != nil {
		t.Fatal(err)
	}
}
