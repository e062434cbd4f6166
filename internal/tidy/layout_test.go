package tidy

import (
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A layout.go file has, above each struct that lies in shared memory, a table of
// its fields in rows of the form "offset size field meaning". The rules compare
// it with what the compiler makes of the struct, and with docs/layout.md.

const layoutDocs = "docs/layout.md"

var update = flag.Bool("update", false, "write the tables of "+layoutDocs+" anew")

// table is the comment table above a struct.
type table struct {
	where string // file
	name  string // struct
	rows  []row
	pos   token.Pos
}

type row struct {
	offset, size int64
	field        string
	meaning      string
}

var rowPattern = regexp.MustCompile(`^//\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S.*)$`)

// structType is a struct of a layout.go file that says that it is shared.
type structType struct {
	spec *ast.TypeSpec
	doc  *ast.CommentGroup
}

func sharedStructs(f source) []structType {
	var all []structType
	for _, d := range f.file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, s := range gen.Specs {
			spec, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok || !hostLayout(st) {
				continue
			}
			doc := spec.Doc
			if doc == nil {
				doc = gen.Doc
			}
			all = append(all, structType{spec, doc})
		}
	}
	return all
}

// hostLayout reports whether st begins with structs.HostLayout.
func hostLayout(st *ast.StructType) bool {
	if len(st.Fields.List) == 0 {
		return false
	}
	sel, ok := st.Fields.List[0].Type.(*ast.SelectorExpr)
	return ok && isIdent(sel.X, "structs") && sel.Sel.Name == "HostLayout"
}

func tableOf(f source, s structType) table {
	t := table{where: f.name, name: s.spec.Name.Name, pos: s.spec.Pos()}
	if s.doc == nil {
		return t
	}
	for _, c := range s.doc.List {
		m := rowPattern.FindStringSubmatch(c.Text)
		if m == nil {
			continue
		}
		offset, err1 := strconv.ParseInt(m[1], 10, 64)
		size, err2 := strconv.ParseInt(m[2], 10, 64)
		if err1 == nil && err2 == nil {
			t.rows = append(t.rows, row{offset, size, m[3], m[4]})
		}
	}
	return t
}

func isLayout(name string) bool { return path.Base(name) == "layout.go" }

// wrongLayouts finds tables that differ from the struct below them, on the two
// architectures that are supported.
func wrongLayouts(t *tree) ([]string, error) {
	files, err := t.parse(isLayout)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, f := range files {
		shared := sharedStructs(f)
		if len(shared) == 0 {
			continue
		}
		scope, err := t.check(path.Dir(f.name))
		if err != nil {
			return nil, err
		}
		for _, s := range shared {
			want := tableOf(f, s)
			if len(want.rows) == 0 {
				faults = append(faults, f.at(want.pos, "struct %s has no table", want.name))
				continue
			}
			for _, arch := range []string{"amd64", "arm64"} {
				faults = append(faults, compareTable(f, want, scope, arch)...)
			}
		}
	}
	return faults, nil
}

func compareTable(f source, want table, scope *types.Scope, arch string) []string {
	st, ok := scope.Lookup(want.name).Type().Underlying().(*types.Struct)
	if !ok {
		return []string{f.at(want.pos, "%s is no struct", want.name)}
	}
	have := fieldsOf(st, types.SizesFor("gc", arch))
	if len(have) != len(want.rows) {
		return []string{f.at(want.pos, "%s: the table has %d rows, the struct %d fields (%s)",
			want.name, len(want.rows), len(have), arch)}
	}
	var faults []string
	for i, w := range want.rows {
		h := have[i]
		if h.offset != w.offset || h.size != w.size || !sameField(h.field, w.field) {
			faults = append(faults, f.at(want.pos, "%s: the table says %d %d %s, the compiler %d %d %s (%s)",
				want.name, w.offset, w.size, w.field, h.offset, h.size, h.field, arch))
		}
	}
	return faults
}

// sameField compares a field of a struct with that of a row, where padding may
// have any name that looks like it.
func sameField(field, inTable string) bool {
	if field == "_" {
		return strings.HasPrefix(inTable, "_") || inTable == "-" || strings.HasPrefix(inTable, "pad")
	}
	return field == inTable
}

func fieldsOf(st *types.Struct, sizes types.Sizes) []row {
	var vars []*types.Var
	for v := range st.Fields() {
		vars = append(vars, v)
	}
	offsets := sizes.Offsetsof(vars)
	var rows []row
	for i, v := range vars {
		if size := sizes.Sizeof(v.Type()); size > 0 {
			rows = append(rows, row{offset: offsets[i], size: size, field: v.Name()})
		}
	}
	return rows
}

// check type-checks the package in dir.
func (t *tree) check(dir string) (*types.Scope, error) {
	fset := token.NewFileSet()
	files, err := t.parseInto(fset, func(name string) bool {
		return path.Dir(name) == dir && isCode(name) && buildsOnLinux(t, name)
	})
	if err != nil {
		return nil, err
	}
	imports, err := t.importer()
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: imports, Sizes: types.SizesFor("gc", "amd64")}
	pkg, err := conf.Check(dir, fset, files, nil)
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", dir, err)
	}
	return pkg.Scope(), nil
}

// importer reads what the compiler has exported: of the module's packages and
// all that they import, if the tree is a module, else of the standard library.
func (t *tree) importer() (types.Importer, error) {
	if t.imports != nil {
		return t.imports, nil
	}
	if !t.has("go.mod") {
		t.imports = importer.Default()
		return t.imports, nil
	}
	cmd := exec.Command("go", "list", "-e", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[name] = file
		}
	}
	t.imports = importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(exports[name])
	})
	return t.imports, nil
}

var tablePattern = regexp.MustCompile(`(?m)^<!-- struct (\S+) (\S+) -->\n\n?((?:\|.*\n)*)`)

// staleLayoutDocs finds tables of docs/layout.md that are not those of the code.
func staleLayoutDocs(t *tree) ([]string, error) {
	tables, err := layoutTables(t)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	text, err := t.read(layoutDocs)
	if err != nil {
		return nil, err
	}
	written := map[string]string{}
	for _, m := range tablePattern.FindAllStringSubmatch(text, -1) {
		written[m[1]+" "+m[2]] = m[3]
	}
	var faults []string
	for _, want := range tables {
		key := want.where + " " + want.name
		have, ok := written[key]
		delete(written, key)
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("%s: no table of %s (go test ./internal/tidy -update writes it)", layoutDocs, key))
		case have != want.markdown():
			faults = append(faults, fmt.Sprintf("%s: the table of %s is not that of the code (-update)", layoutDocs, key))
		}
	}
	for key := range written {
		faults = append(faults, fmt.Sprintf("%s: %s has no table in the code", layoutDocs, key))
	}
	slices.Sort(faults)
	return faults, nil
}

func layoutTables(t *tree) ([]table, error) {
	files, err := t.parse(isLayout)
	if err != nil {
		return nil, err
	}
	var tables []table
	for _, f := range files {
		for _, s := range sharedStructs(f) {
			if tab := tableOf(f, s); len(tab.rows) > 0 {
				tables = append(tables, tab)
			}
		}
	}
	return tables, nil
}

func (t table) markdown() string {
	var b strings.Builder
	b.WriteString("| offset | size | field | meaning |\n|---:|---:|---|---|\n")
	for _, r := range t.rows {
		meaning := strings.ReplaceAll(r.meaning, "|", "\\|")
		fmt.Fprintf(&b, "| %d | %d | %s | %s |\n", r.offset, r.size, r.field, meaning)
	}
	return b.String()
}

// TestLayoutDocs writes the tables, if asked to by -update.
func TestLayoutDocs(t *testing.T) {
	if !*update {
		t.Skip("writes " + layoutDocs + " with -update only")
	}
	module, err := newTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := layoutTables(module)
	if err != nil {
		t.Fatal(err)
	}
	text, err := module.read(layoutDocs)
	if err != nil {
		t.Fatal(err)
	}
	for _, tab := range tables {
		head := fmt.Sprintf("<!-- struct %s %s -->\n", tab.where, tab.name)
		if !strings.Contains(text, head) {
			text += "\n" + head
		}
		at := regexp.MustCompile(regexp.QuoteMeta(head) + `\n?(?:\|.*\n)*`)
		text = at.ReplaceAllLiteralString(text, head+"\n"+tab.markdown())
	}
	if err := os.WriteFile("../../"+layoutDocs, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
