//go:build linux && shmcheck

package killsweep

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// without are packages whose operations are made of those of the others.
var without = map[string]string{
	"process": "starts processes and talks to them by pipes; what it shares it shares by the other packages",
	"pool":    "works by processes and queues; its own tests kill its processes at their steps",
}

// untouched are operations that touch no shared word. The reason of each is what
// they do instead.
var untouched = map[string]string{
	"shm.Layout":               "describes a Go type",
	"shm.Segment.Name":         "known since the opening",
	"shm.Segment.Spec":         "known since the opening",
	"shm.Segment.File":         "duplicates a descriptor",
	"shm.Segment.MarshalText":  "known since the opening",
	"array.Array.Spec":         "known since the opening",
	"array.Atomic.Spec":        "known since the opening",
	"lock.Barrier.Spec":        "known since the opening",
	"lock.Cond.Mutex":          "known since the opening",
	"lock.Table.Spec":          "known since the opening",
	"lock.Table.Len":           "known since the opening",
	"lock.RWMutex.Spec":        "known since the opening",
	"lock.Mutex.Spec":          "known since the opening",
	"lock.Mutex.MarshalText":   "known since the opening",
	"semaphore.Semaphore.Spec": "known since the opening",
	"queue.Queue.Spec":         "known since the opening",
	"pipe.Conn.Spec":           "known since the opening",
	"pipe.Conn.LocalAddr":      "known since the opening",
	"pipe.Conn.RemoteAddr":     "known since the opening",
	"kv.Map.Spec":              "known since the opening",
}

// textOnly are methods of errors, states and the like.
var textOnly = []string{"String", "Error", "Is", "Unwrap"}

// TestEveryOperationIsSwept fails for each exported operation that is neither in
// the table nor known to touch no shared word.
func TestEveryOperationIsSwept(t *testing.T) {
	exported, err := api(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range gaps(exported, covered(stages())) {
		t.Error(fault)
	}
	for name := range untouched {
		if !slices.Contains(exported, name) {
			t.Errorf("%s is said to touch no shared word, and does not exist", name)
		}
	}
	if len(exported) < 100 {
		t.Errorf("only %d operations were found", len(exported))
	}
}

// gaps compares the operations that there are with those that are swept, and
// returns what is wrong.
func gaps(exported []string, swept map[string]bool) (faults []string) {
	for _, name := range exported {
		_, known := untouched[name]
		switch {
		case swept[name] && known:
			faults = append(faults, name+" is swept: take it from the list untouched")
		case !swept[name] && !known:
			faults = append(faults, name+" is not swept: add an operation that covers it (see the package comment), or say in untouched why it touches no shared word")
		}
	}
	for name := range swept {
		if !slices.Contains(exported, name) {
			faults = append(faults, name+" is in the table, and does not exist")
		}
	}
	slices.Sort(faults)
	return faults
}

// covered returns the names that the table covers.
func covered(list []*stage) map[string]bool {
	names := map[string]bool{}
	for _, s := range list {
		for _, op := range s.operations {
			for _, name := range op.covers {
				names[name] = true
			}
		}
	}
	return names
}

// api returns the exported functions, and methods of exported types, of the
// packages that share memory, as "lock.Mutex.Lock".
func api(module fs.FS) ([]string, error) {
	folders, err := fs.ReadDir(module, ".")
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, f := range folders {
		switch f.Name() {
		case "cmd", "internal", "examples", "bench", "docs":
			continue
		}
		if _, ok := without[f.Name()]; ok || !f.IsDir() {
			continue
		}
		if err := apiOf(module, f.Name(), found); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func apiOf(module fs.FS, folder string, found map[string]bool) error {
	files, err := fs.Glob(module, path.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if name := operationName(f); name != "" {
					found[folder+"."+name] = true
				}
			}
		}
	}
	return nil
}

// operationName returns "Mutex.Lock", or nothing if f is no operation.
func operationName(f *ast.FuncDecl) string {
	if !f.Name.IsExported() || slices.Contains(textOnly, f.Name.Name) {
		return ""
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	x := f.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			if !y.IsExported() {
				return ""
			}
			return y.Name + "." + f.Name.Name
		default:
			return ""
		}
	}
}
