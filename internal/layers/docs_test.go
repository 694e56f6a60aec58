// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestDocsLinks(t *testing.T) {
	complaints, err := checkLinks(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range complaints {
		t.Error(complaint)
	}
}

// TestDocsDependencies: what a go.mod of ours asks for is told, with where and why, in docs/dependencies.md.
func TestDocsDependencies(t *testing.T) {
	dir := root(t)
	told := read(t, filepath.Join(dir, "docs", "dependencies.md"))
	for _, folder := range append(workFolders(t, dir), slices.Sorted(maps.Keys(apart))...) {
		for _, missing := range untold(readModule(t, dir, folder), told) {
			t.Errorf("%s/go.mod requires %s, which docs/dependencies.md does not tell", folder, missing)
		}
	}
}

// TestDocsLayers: the drawing in docs/architecture.md has every row of the table.
func TestDocsLayers(t *testing.T) {
	told := read(t, filepath.Join(root(t), "docs", "architecture.md"))
	for _, missing := range undrawn(table, told) {
		t.Errorf("docs/architecture.md does not draw %s", missing)
	}
}

// untold gives the direct requirements that a text does not name; our own modules need no telling.
func untold(m module, text string) []string {
	var missing []string
	for _, require := range m.Require {
		ours := strings.HasPrefix(require.Path+"/", project+"/")
		if !ours && !require.Indirect && !strings.Contains(text, "`"+require.Path+"`") {
			missing = append(missing, require.Path)
		}
	}
	for _, tool := range m.Tool {
		if !strings.Contains(text, "`"+tool.Path+"`") {
			missing = append(missing, tool.Path)
		}
	}
	return missing
}

// undrawn gives the rows that a text does not name.
func undrawn(rows []row, text string) []string {
	var missing []string
	for _, r := range rows {
		if r.path != "." && !strings.Contains(text, "`"+r.path+"`") {
			missing = append(missing, r.path)
		}
	}
	return missing
}

var (
	codeInMarkdown    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	linkInMarkdown    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingInMarkdown = regexp.MustCompile(`(?m)^#+ +(.*?)\s*$`)
	notInAnchor       = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// checkLinks follows each relative link of each Markdown file, to a heading if it names one.
func checkLinks(fsys fs.FS) ([]string, error) {
	var complaints []string
	err := walk(fsys, func(name string) error {
		if path.Ext(name) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		for _, link := range linkInMarkdown.FindAllStringSubmatch(codeInMarkdown.ReplaceAllString(string(text), ""), -1) {
			if why := follow(fsys, name, link[1]); why != "" {
				complaints = append(complaints, fmt.Sprintf("%s: link %s: %s", name, link[1], why))
			}
		}
		return nil
	})
	return complaints, err
}

// follow tells what is wrong with one link, or nothing.
func follow(fsys fs.FS, from, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	file, anchor, _ := strings.Cut(link, "#")
	target := from
	if file != "" {
		target = path.Join(path.Dir(from), file)
	}
	if _, err := fs.Stat(fsys, target); err != nil {
		return "there is no such file"
	}
	if anchor == "" || path.Ext(target) != ".md" {
		return ""
	}
	text, err := fs.ReadFile(fsys, target)
	if err != nil {
		return err.Error()
	}
	for _, heading := range headingInMarkdown.FindAllStringSubmatch(string(text), -1) {
		if anchorOf(heading[1]) == anchor {
			return ""
		}
	}
	return "there is no such heading"
}

// anchorOf makes the anchor of a heading as the usual renderers do.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// read gives a whole file.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
