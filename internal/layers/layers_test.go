// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestImportsGoDown(t *testing.T) {
	for _, complaint := range checkImports(workspace(t)) {
		t.Error(complaint)
	}
}

// TestTable holds the table itself against slips: what a row names must be a row.
func TestTable(t *testing.T) {
	for _, r := range table {
		for _, name := range slices.Concat(r.also, r.never) {
			if _, ok := roomOf(name); !ok {
				t.Errorf("row %s names %s, which has no row", r.path, name)
			}
		}
		for _, name := range r.also {
			if other, _ := roomOf(name); other.row.layer != r.layer {
				t.Errorf("row %s lists %s, which is not of its layer", r.path, name)
			}
		}
	}
}

// room is a package, or a folder of packages, that the table treats as one.
type room struct {
	name string
	row  row
}

// roomOf finds the room of a package: an own row first, then the longest "x/*".
func roomOf(pkg string) (room, bool) {
	base, _, _ := strings.Cut(pkg+"/", "/internal/")
	base = strings.TrimSuffix(base, "/")
	best := room{}
	for _, r := range table {
		if r.path == base {
			return room{base, r}, true
		}
		above, isFolder := strings.CutSuffix(r.path, "*")
		below, inside := strings.CutPrefix(base, above)
		if isFolder && inside && below != "" && len(r.path) > len(best.row.path) {
			first, _, _ := strings.Cut(below, "/")
			best = room{above + first, r}
		}
	}
	return best, best.name != ""
}

// checkImports reads every import against the table and tells each one that it does not allow.
func checkImports(files []*source) []string {
	var complaints []string
	for _, s := range files {
		from, ok := roomOf(s.pkg)
		if !ok {
			complaints = append(complaints, fmt.Sprintf("%s: package %s has no row in the table of internal/layers", s.name, s.pkg))
			continue
		}
		for _, imported := range s.imports {
			if why := from.refuses(imported, s.test); why != "" {
				complaints = append(complaints, fmt.Sprintf("%s: imports %s: %s", s.name, imported, why))
			}
		}
	}
	return append(complaints, checkSpeaker(files)...)
}

// refuses gives the reason why a file of the room may not import a package, or nothing.
func (from room) refuses(imported string, test bool) string {
	pkg, ours := strings.CutPrefix(imported+"/", project+"/")
	if !ours {
		if !test && slices.Contains(from.row.noStd, imported) {
			return from.name + " is pure"
		}
		return ""
	}
	if pkg = strings.TrimSuffix(pkg, "/"); pkg == "" {
		pkg = "."
	}
	to, ok := roomOf(pkg)
	switch {
	case !ok:
		return "it has no row in the table of internal/layers"
	case to.name == from.name:
		return ""
	case to.row.layer >= 7:
		return "nothing imports cmd, bench, examples, scripts or tools"
	case test:
		return from.refusesInTest(to)
	}
	return from.refusesInProduct(to)
}

// refusesInTest: a test may reach all that is at or below its layer, and the suites.
func (from room) refusesInTest(to room) string {
	if to.row.layer <= from.row.layer || slices.Contains(suites, to.name) {
		return ""
	}
	return fmt.Sprintf("up, from L%d to L%d, also in a test", from.row.layer, to.row.layer)
}

// refusesInProduct: down only, sideways where the table says so.
func (from room) refusesInProduct(to room) string {
	for _, never := range from.row.never {
		if to.name == never || strings.HasPrefix(to.name, never+"/") {
			return fmt.Sprintf("%s never imports %s", from.name, never)
		}
	}
	switch {
	case slices.Contains(suites, to.name) && !slices.Contains(suites, from.name):
		return "it is made for tests"
	case to.row.layer > from.row.layer:
		return fmt.Sprintf("up, from L%d to L%d", from.row.layer, to.row.layer)
	case to.row.layer == from.row.layer && !slices.Contains(from.row.also, to.name):
		return fmt.Sprintf("sideways in L%d", from.row.layer)
	}
	return ""
}

// checkSpeaker: a room that knows wire and transport could put bytes on a Conn, and only session does.
func checkSpeaker(files []*source) []string {
	wire, transport := map[string]bool{}, map[string]bool{}
	for _, s := range files {
		at, ok := roomOf(s.pkg)
		if s.test || !ok {
			continue
		}
		for _, imported := range s.imports {
			wire[at.name] = wire[at.name] || imported == project+"/wire"
			transport[at.name] = transport[at.name] || strings.HasPrefix(imported+"/", project+"/transport/")
		}
	}
	var complaints []string
	for name := range wire {
		if wire[name] && transport[name] && name != onlySpeaker {
			complaints = append(complaints, fmt.Sprintf("%s: imports wire and transport: only %s puts wire bytes on a Conn", name, onlySpeaker))
		}
	}
	slices.Sort(complaints)
	return complaints
}
