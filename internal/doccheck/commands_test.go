// SPDX-License-Identifier: Apache-2.0

package doccheck

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// first are the commands that README shows before all others; .ci/run types them into a fresh clone.
var first = []string{"go run ./cmd/plexus demo", "go test work"}

func TestReadmeShowsTheMainCommandsFirst(t *testing.T) {
	for _, complaint := range checkFirst(blocks(t, os.DirFS(root(t)), "README.md")) {
		t.Error(complaint)
	}
}

func checkFirst(all []block) []string {
	if len(all) == 0 || !shell(all[0]) {
		return []string{"README.md: the first block holds no commands"}
	}
	lines := commands(all[0])
	if len(lines) != len(first) {
		return []string{all[0].complain("the first block has other commands than %q", first)}
	}
	for i, want := range first {
		if lines[i] != want {
			return []string{all[0].complain("command %d is %q, not %q", i+1, lines[i], want)}
		}
	}
	return nil
}

func TestDocsCommandsExist(t *testing.T) {
	dir := root(t)
	repository := os.DirFS(dir)
	known := verbs(t, dir)
	for _, page := range strict {
		for _, b := range blocks(t, repository, page) {
			for _, complaint := range checkCommands(repository, b, known) {
				t.Error(complaint)
			}
		}
	}
}

var (
	binary  = regexp.MustCompile(`^(?:\w+=\S+ )*(?:go run \./cmd/plexus|plexus) (.*)$`)
	example = regexp.MustCompile(`^(?:\w+=\S+ )*go run \./(examples/\S+)((?: [a-z-]+)?)`)
	option  = regexp.MustCompile(` (--[a-z-]+)`)
)

// checkCommands looks up what the commands of a block name: verbs with their flags, and examples with their roles.
func checkCommands(repository fs.FS, b block, known map[string]string) []string {
	if !shell(b) {
		return nil
	}
	var complaints []string
	for _, command := range commands(b) {
		if m := binary.FindStringSubmatch(command); m != nil && known != nil {
			complaints = append(complaints, checkVerb(b, m[1], known)...)
		}
		if m := example.FindStringSubmatch(command); m != nil {
			source, err := fs.ReadFile(repository, m[1]+"/main.go")
			role := strings.TrimSpace(m[2])
			if err != nil {
				complaints = append(complaints, b.complain("%q: %v", command, err))
			} else if !strings.Contains(string(source), `"`+role+`"`) && role != "" {
				complaints = append(complaints, b.complain("%q: %s has no role %s", command, m[1], role))
			}
		}
	}
	return complaints
}

// checkVerb looks up a verb, and its flags as far as they are the verb's: behind "--" others begin.
func checkVerb(b block, arguments string, known map[string]string) []string {
	verb, rest, _ := strings.Cut(arguments, " ")
	help, ok := known[verb]
	if !ok {
		return []string{b.complain("there is no verb %q", verb)}
	}
	var complaints []string
	rest, _, _ = strings.Cut(" "+rest+" ", " -- ")
	for _, m := range option.FindAllStringSubmatch(rest, -1) {
		if !strings.Contains(help, m[1]+" ") {
			complaints = append(complaints, b.complain("plexus %s has no flag %s", verb, m[1]))
		}
	}
	return complaints
}

// shell tells whether a block holds commands to type; a script from a file is none.
func shell(b block) bool { return (b.lang == "sh" || b.lang == "console") && b.from == "" }

var separators = regexp.MustCompile(` (?:\||&&|&) `)

// commands gives the commands of a block without prompts and comments, each of a pipe by itself.
func commands(b block) []string {
	var all []string
	for line := range strings.Lines(b.text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		line, _, _ = strings.Cut(line, " #")
		for _, command := range separators.Split(line, -1) {
			if command = strings.TrimSuffix(strings.TrimSpace(command), " &"); command != "" && command[0] != '#' {
				all = append(all, command)
			}
		}
	}
	return all
}

var verbLine = regexp.MustCompile(`(?m)^  ([a-z-]+) +[A-Z]`)

// verbs builds the binary and asks it for its verbs and their help. Without the workspace there is no binary: nil.
func verbs(t *testing.T, dir string) map[string]string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "cmd", "plexus", "main.go")); err != nil {
		t.Logf("verbs are not looked up: %v", err)
		return nil
	}
	program := filepath.Join(t.TempDir(), "plexus")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, "./cmd/plexus")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "main module") { // GOWORK=off
			t.Logf("verbs are not looked up: %s", out)
			return nil
		}
		t.Fatalf("go build ./cmd/plexus: %v\n%s", err, out)
	}
	known := map[string]string{}
	for _, m := range verbLine.FindAllStringSubmatch(ask(t, program, "help"), -1) {
		known[m[1]] = ask(t, program, m[1], "--help")
	}
	if !slices.Contains(keys(known), "serve") {
		t.Fatalf("plexus help names no verbs, or they are not found: %q", keys(known))
	}
	return known
}

func ask(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(program, arguments...).Output()
	if err != nil {
		t.Fatalf("plexus %s: %v", strings.Join(arguments, " "), err)
	}
	return string(out)
}

func keys(known map[string]string) []string {
	var all []string
	for verb := range known {
		all = append(all, verb)
	}
	return all
}
