// Package tidy has the rules of this module that no linter knows. They run as
// tests; each has a test that plants the fault which it must find.
package tidy

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// tree is a source tree: the module's, or one that a test made up.
type tree struct {
	fsys    fs.FS
	files   []string // slash-separated, sorted
	imports types.Importer
}

// rule looks at a tree and says what is wrong, one line for each fault.
type rule struct {
	name string
	look func(t *tree) ([]string, error)
}

func rules() []rule {
	return []rule{
		{"documented", undocumented},
		{"unsafe", unsafeImports},
		{"sleep", sleeps},
		{"length", longFiles},
		{"pairs", unpaired},
		{"layout", wrongLayouts},
		{"layout docs", staleLayoutDocs},
		{"snippets", strangeSnippets},
		{"names", missingNames},
		{"files", missingFiles},
		{"words", foreignWords},
		{"commands", unsaidCommands},
		{"conformance", untested},
	}
}

func TestTidy(t *testing.T) {
	module, err := newTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			faults, err := r.look(module)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				t.Error(f)
			}
		})
	}
}

func newTree(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin"):
			return fs.SkipDir
		case d.Type().IsRegular():
			t.files = append(t.files, name)
		}
		return nil
	})
	slices.Sort(t.files)
	return t, err
}

// match returns the files that ok accepts.
func (t *tree) match(ok func(name string) bool) []string {
	var names []string
	for _, name := range t.files {
		if ok(name) {
			names = append(names, name)
		}
	}
	return names
}

func (t *tree) read(name string) (string, error) {
	b, err := fs.ReadFile(t.fsys, name)
	return string(b), err
}

func (t *tree) has(name string) bool {
	_, err := fs.Stat(t.fsys, name)
	return err == nil
}

// source is a parsed Go file.
type source struct {
	name string
	fset *token.FileSet
	file *ast.File
}

// parse parses the Go files that ok accepts.
func (t *tree) parse(ok func(name string) bool) ([]source, error) {
	var all []source
	for _, name := range t.match(func(n string) bool { return isGo(n) && ok(n) }) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		all = append(all, source{name, fset, file})
	}
	return all, nil
}

// parseInto parses the files that ok accepts, for the type checker.
func (t *tree) parseInto(fset *token.FileSet, ok func(name string) bool) ([]*ast.File, error) {
	var all []*ast.File
	for _, name := range t.match(ok) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		all = append(all, file)
	}
	return all, nil
}

// buildsOnLinux reports whether the file is part of a plain build for linux/amd64.
func buildsOnLinux(t *tree, name string) bool {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH = "linux", "amd64"
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return t.fsys.Open(name) }
	ok, err := ctx.MatchFile(path.Dir(name), path.Base(name))
	return err == nil && ok
}

// at says where pos is and what is wrong there.
func (s source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.name, s.fset.Position(pos).Line, fmt.Sprintf(format, args...))
}

func isGo(name string) bool {
	return path.Ext(name) == ".go" && !strings.Contains("/"+name, "/testdata/")
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// isCode accepts the files that end up in programs.
func isCode(name string) bool { return isGo(name) && !isTest(name) }

func isMarkdown(name string) bool { return path.Ext(name) == ".md" }
