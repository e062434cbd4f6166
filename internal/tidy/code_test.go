package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// undocumented finds exported names without a comment. A group of constants or
// variables may have one comment for all.
func undocumented(t *tree) ([]string, error) {
	files, err := t.parse(isCode)
	if err != nil {
		return nil, err
	}
	var faults []string
	packages := map[string]bool{} // directory: has a package comment
	for _, f := range files {
		dir := path.Dir(f.name)
		packages[dir] = packages[dir] || f.file.Doc != nil
		for _, d := range f.file.Decls {
			for _, name := range undocumentedIn(d) {
				faults = append(faults, f.at(name.Pos(), "%s has no comment", name.Name))
			}
		}
	}
	for dir, ok := range packages {
		if !ok {
			faults = append(faults, dir+": the package has no comment")
		}
	}
	slices.Sort(faults)
	return faults, nil
}

func undocumentedIn(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		known := []string{"Error", "String", "Unwrap"}
		if d.Doc != nil || !d.Name.IsExported() || d.Recv != nil && slices.Contains(known, d.Name.Name) {
			return nil
		}
		if d.Recv == nil || ast.IsExported(receiver(d)) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return nil
		}
		var names []*ast.Ident
		for _, s := range d.Specs {
			names = append(names, undocumentedSpec(s)...)
		}
		return names
	}
	return nil
}

func undocumentedSpec(s ast.Spec) []*ast.Ident {
	var names []*ast.Ident
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil {
			names = append(names, s.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil {
				names = append(names, n)
			}
		}
	}
	return names
}

// receiver returns the name of the type that d is a method of.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}

// unsafeImports finds imports of unsafe outside of its few homes, and uses of
// it in layout.go files that are more than asking for sizes.
func unsafeImports(t *tree) ([]string, error) {
	files, err := t.parse(isCode)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, f := range files {
		for _, imp := range f.file.Imports {
			if imp.Path.Value == `"unsafe"` && !unsafeHome(f.name) {
				faults = append(faults, f.at(imp.Pos(), "unsafe is not for this file"))
			}
		}
		if path.Base(f.name) != "layout.go" {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if ok && isIdent(sel.X, "unsafe") && !slices.Contains([]string{"Sizeof", "Offsetof", "Alignof"}, sel.Sel.Name) {
				faults = append(faults, f.at(sel.Pos(), "unsafe.%s is not for a layout", sel.Sel.Name))
			}
			return true
		})
	}
	return faults, nil
}

// unsafeHome reports whether the file may import unsafe.
func unsafeHome(name string) bool {
	dir, file := path.Split(name)
	if file == "layout.go" {
		return true
	}
	homes := []string{"internal/mem/", "internal/satomic/", "internal/race/", "internal/sys/"}
	return slices.Contains(homes, dir) && strings.HasSuffix(file, "_unsafe.go")
}

func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// sleeps finds calls of time.Sleep: whoever waits, waits for something.
func sleeps(t *tree) ([]string, error) {
	files, err := t.parse(isCode)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, f := range files {
		ast.Inspect(f.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, "time") && sel.Sel.Name == "Sleep" {
				faults = append(faults, f.at(sel.Pos(), "time.Sleep waits for nothing"))
			}
			return true
		})
	}
	return faults, nil
}

// longFiles finds Go files that have grown beyond one idea.
func longFiles(t *tree) ([]string, error) {
	const most = 500
	var faults []string
	for _, name := range t.match(isGo) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(text, "\n"); n > most {
			faults = append(faults, fmt.Sprintf("%s: %d lines, at most %d", name, n, most))
		}
	}
	return faults, nil
}
