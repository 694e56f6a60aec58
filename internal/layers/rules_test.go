// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

const spdx = "// SPDX-License-Identifier: Apache-2.0"

// licence: each file says in its first line what it may be used for.
func licence(s *source) []finding {
	if first, _, _ := strings.Cut(s.text, "\n"); strings.TrimRight(first, "\r") == spdx {
		return nil
	}
	return []finding{{"spdx", s.name, "", 1, "the first line is not " + spdx}}
}

// initFunctions: importing a package does nothing.
func initFunctions(s *source) []finding {
	var found []finding
	for _, fn := range functions(s) {
		if fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, finding{"init", s.name, "init", s.line(fn.Pos()), "importing a package must do nothing; make it a value or a call"})
		}
	}
	return found
}

// sleeps: a test waits for what it waits for, never for a while. Inside synctest.Test a sleep costs no time and is exact.
func sleeps(s *source) []finding {
	if !s.test && !slices.Contains(suites, s.pkg) {
		return nil
	}
	var found []finding
	for _, decl := range s.file.Decls {
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if isCall(call, "time", "Sleep") {
				found = append(found, finding{"sleep", s.name, declName(decl), s.line(call.Pos()), "time.Sleep in a test; wait for the event, or use testing/synctest"})
			}
			return !isCall(call, "synctest", "Test")
		})
	}
	return found
}

// undocumented: every exported name says what it is; a group of constants or variables may say it once.
func undocumented(s *source) []finding {
	if s.test || s.file.Name.Name == "main" {
		return nil
	}
	var found []finding
	add := func(name *ast.Ident) {
		found = append(found, finding{"doc", s.name, name.Name, s.line(name.Pos()), name.Name + " is exported and has no doc comment"})
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc.Text() == "" && d.Name.IsExported() && onExported(d) && !speaksForItself(d) {
				add(d.Name)
			}
		case *ast.GenDecl:
			undocumentedSpecs(d, add)
		}
	}
	return found
}

// undocumentedSpecs calls add for each exported name of a declaration that neither it nor the group documents.
func undocumentedSpecs(d *ast.GenDecl, add func(*ast.Ident)) {
	for _, spec := range d.Specs {
		switch sp := spec.(type) {
		case *ast.TypeSpec:
			single := !d.Lparen.IsValid() && d.Doc.Text() != ""
			if sp.Name.IsExported() && sp.Doc.Text() == "" && !single {
				add(sp.Name)
			}
		case *ast.ValueSpec:
			if d.Doc.Text()+sp.Doc.Text()+sp.Comment.Text() != "" {
				continue
			}
			for _, name := range sp.Names {
				if name.IsExported() {
					add(name)
				}
			}
		}
	}
}

// functionSizes: a function fits on a screen or two.
func functionSizes(s *source) []finding {
	var found []finding
	for _, fn := range functions(s) {
		from, to := s.line(fn.Pos()), s.line(fn.End())
		if lines := to - from + 1; lines > functionLines && !hasReason("// size:", s.beside(fn)) {
			text := fmt.Sprintf("%s has %d lines, more than %d", fn.Name.Name, lines, functionLines)
			found = append(found, finding{"function-size", s.name, fn.Name.Name, from, text})
		}
	}
	return found
}

// fileSize: a file tells one thing.
func fileSize(s *source) []finding {
	lines := strings.Count(s.text, "\n")
	if lines <= fileLines || hasReason("// size:", s.header()) {
		return nil
	}
	return []finding{{"file-size", s.name, "", 1, fmt.Sprintf("%d lines, more than %d", lines, fileLines)}}
}

// functions are the declared functions and methods of a file.
func functions(s *source) []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			all = append(all, fn)
		}
	}
	return all
}

// onExported tells whether a function is reachable by name: no receiver, or one of an exported type.
func onExported(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return true
	}
	expr := fn.Recv.List[0].Type
	for {
		switch x := expr.(type) {
		case *ast.StarExpr:
			expr = x.X
		case *ast.IndexExpr:
			expr = x.X
		case *ast.IndexListExpr:
			expr = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// speaksForItself: methods whose contract is that of a well-known interface.
func speaksForItself(fn *ast.FuncDecl) bool {
	return fn.Recv != nil && slices.Contains([]string{"Error", "String", "GoString", "Unwrap", "Len", "Less", "Swap"}, fn.Name.Name)
}

// isCall tells whether a call is pkg.name(…).
func isCall(call *ast.CallExpr, pkg, name string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// declName names a declaration for an excuse; only functions have one.
func declName(decl ast.Decl) string {
	if fn, ok := decl.(*ast.FuncDecl); ok {
		return fn.Name.Name
	}
	return ""
}

// header gives the comments up to the package clause.
func (s *source) header() []*ast.CommentGroup { return s.comments(1, s.line(s.file.Package)) }

// beside gives the comments of a function: its doc, and those of its first two lines.
func (s *source) beside(fn *ast.FuncDecl) []*ast.CommentGroup {
	from := s.line(fn.Pos()) - 1
	if fn.Doc != nil {
		from = s.line(fn.Doc.Pos())
	}
	return s.comments(from, s.line(fn.Body.Pos())+1)
}

// comments gives the comment groups that begin within the lines.
func (s *source) comments(from, to int) []*ast.CommentGroup {
	return slices.DeleteFunc(slices.Clone(s.file.Comments), func(g *ast.CommentGroup) bool {
		return s.line(g.Pos()) < from || s.line(g.Pos()) > to
	})
}

// hasReason tells whether a comment line begins with the mark and goes on with some words.
func hasReason(mark string, groups []*ast.CommentGroup) bool {
	for _, group := range groups {
		for _, comment := range group.List {
			reason, ok := strings.CutPrefix(comment.Text, mark)
			if ok && len(strings.Fields(reason)) >= 2 {
				return true
			}
		}
	}
	return false
}
