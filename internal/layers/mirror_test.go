// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// The sizes of the mirror. What is larger says why beside it: "// size: <reason>" at a function (above it, or in its
// first line) or before a file's package clause; "// package size: <reason>" before a package clause for the package.
const (
	functionLines = 80
	fileLines     = 500
	packageLines  = 2500 // without tests
)

// excused are findings that stay, each with its reason. An excuse that excuses nothing is an error as well.
var excused = []excuse{
	{rule: "sleep", file: "session/time_test.go", why: "all its tests run in bubble, which is synctest.Test"},
	// {rule: "sleep", file: "x/y_test.go", why: "…"},
}

// excuse lets one rule pass in one file, for one name if it is given.
type excuse struct{ rule, file, name, why string }

// finding is one place that a rule does not like.
type finding struct {
	rule, file, name string
	line             int
	text             string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.rule, f.text) }

// mirrorRules look at one file each.
var mirrorRules = []func(*source) []finding{licence, initFunctions, sleeps, undocumented, functionSizes, fileSize}

func TestMirror(t *testing.T) {
	for _, complaint := range excuseFrom(mirror(workspace(t)), excused) {
		t.Error(complaint)
	}
}

// mirror holds all rules against all files.
func mirror(files []*source) []finding {
	var found []finding
	for _, s := range files {
		for _, rule := range mirrorRules {
			found = append(found, rule(s)...)
		}
	}
	found = append(found, packageComments(files)...)
	return append(found, packageSizes(files)...)
}

// excuseFrom takes the excused findings away and adds the excuses that are empty or have nothing to excuse.
func excuseFrom(found []finding, excuses []excuse) []string {
	var complaints []string
	used := make([]bool, len(excuses))
	for _, f := range found {
		i := slices.IndexFunc(excuses, f.matches)
		if i < 0 {
			complaints = append(complaints, f.String())
			continue
		}
		used[i] = true
	}
	for i, e := range excuses {
		if !used[i] || strings.TrimSpace(e.why) == "" {
			complaints = append(complaints, fmt.Sprintf("excuse %s %s %s: excuses nothing, or has no reason", e.rule, e.file, e.name))
		}
	}
	return complaints
}

// matches tells whether the excuse is for this finding.
func (f finding) matches(e excuse) bool {
	return e.rule == f.rule && e.file == f.file && (e.name == "" || e.name == f.name)
}

// packageComments: a package begins with what it is for.
func packageComments(files []*source) []finding {
	told := map[string]bool{}
	for _, s := range files {
		told[s.pkg] = told[s.pkg] || (!s.test && s.file.Doc.Text() != "")
	}
	var found []finding
	for _, s := range files {
		if !s.test && !told[s.pkg] {
			told[s.pkg] = true
			found = append(found, finding{"doc", s.name, "package", 1, "package " + s.file.Name.Name + " has no package comment"})
		}
	}
	return found
}

// packageSizes: a package of more lines is two packages, unless it says why not.
func packageSizes(files []*source) []finding {
	lines, reason := map[string]int{}, map[string]bool{}
	for _, s := range files {
		if !s.test {
			lines[s.pkg] += strings.Count(s.text, "\n")
		}
		reason[s.pkg] = reason[s.pkg] || hasReason("// package size:", s.header())
	}
	var found []finding
	for pkg, n := range lines {
		if n > packageLines && !reason[pkg] {
			text := fmt.Sprintf("%d lines without tests, more than %d", n, packageLines)
			found = append(found, finding{"package-size", path.Join(pkg, "*"), pkg, 1, text})
		}
	}
	return found
}
