// SPDX-License-Identifier: Apache-2.0

package doccheck

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Pages that say which test proves a sentence, and how many rows their tables have.
var proofs = map[string]int{"docs/weaknesses.md": 31, "docs/reliability.md": 40}

func TestDocsNameTestsThatExist(t *testing.T) {
	for _, complaint := range checkProofs(t, os.DirFS(root(t)), proofs) {
		t.Error(complaint)
	}
}

var (
	testDefined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)`)
	// `TestName`, or `folder.TestName` with the folder's path in the repository, and perhaps a subtest.
	testNamed = regexp.MustCompile("`(?:([\\w./-]+)\\.)?((?:Test|Fuzz|Benchmark|Example)\\w+)(?:/[^`]*)?`")
	rowNumber = regexp.MustCompile(`^\| (\d+) \|`)
)

// checkProofs looks for each test that pages name, and for rows that are missing.
func checkProofs(t *testing.T, repository fs.FS, pages map[string]int) []string {
	t.Helper()
	tests := testsOf(t, repository)
	var complaints []string
	for page, rows := range pages {
		text, err := fs.ReadFile(repository, page)
		if err != nil {
			t.Fatal(err)
		}
		next := 1
		for i, line := range strings.Split(string(text), "\n") {
			complain := func(format string, args ...any) {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s", page, i+1, fmt.Sprintf(format, args...)))
			}
			for _, m := range testNamed.FindAllStringSubmatch(line, -1) {
				folders := tests[m[2]]
				if m[1] == "" && len(folders) == 0 || m[1] != "" && !folders[m[1]] {
					complain("there is no test %s", strings.Trim(m[0], "`"))
				}
			}
			if m := rowNumber.FindStringSubmatch(line); m != nil {
				if n, _ := strconv.Atoi(m[1]); n != next {
					complain("row %d follows row %d", n, next-1)
				}
				next++
			}
		}
		if next != rows+1 {
			complaints = append(complaints, fmt.Sprintf("%s: %d rows, %d are due", page, next-1, rows))
		}
	}
	return complaints
}

// testsOf returns the folders of each test of a repository, "." for the root.
func testsOf(t *testing.T, repository fs.FS) map[string]map[string]bool {
	t.Helper()
	tests := make(map[string]map[string]bool)
	err := fs.WalkDir(repository, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "transport/transporttest/") {
			return err
		}
		text, err := fs.ReadFile(repository, name)
		for _, m := range testDefined.FindAllSubmatch(text, -1) {
			if tests[string(m[1])] == nil {
				tests[string(m[1])] = make(map[string]bool)
			}
			tests[string(m[1])][path.Dir(name)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
