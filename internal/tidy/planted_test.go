package tidy

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// sound is a small tree in which no rule finds anything.
func sound() map[string]string {
	return map[string]string{
		"README.md": "Text about `queue.Put` and `queue.Queue.Len`, see [layout](docs/layout.md).\n\n" +
			"```sh\ngo run ./examples/value_array_queue\ngo test ./...\n```\n\n```go\nfmt.Println(1)\n```\n",
		".ci/run": "example() { go run ./examples/value_array_queue; }\ntest() { go test ./...; }\n",
		"docs/from-python.md": "| id | holds | in | tests |\n|---|---|---|---|\n" +
			"| QUE-01 | it holds | `queue` | `TestQueue/QUE-01`, `TestOther` |\n",
		"queue/queue_test.go": "package queue_test\n\nimport \"testing\"\n\nvar _ = \"QUE-01\"\n\n" +
			"func TestQueue(t *testing.T) {}\n\nfunc TestOther(t *testing.T) {}\n",
		"docs/layout.md":   "# Layout\n\n<!-- struct queue/layout.go header -->\n\n" + soundTable,
		"examples/main.go": "// Command main is an example.\npackage main\n\nfunc main() {\n\tfmt.Println(1)\n}\n",
		"queue/queue.go":   soundQueue,
		"queue/layout.go":  soundLayout,
	}
}

const soundTable = "| offset | size | field | meaning |\n|---:|---:|---|---|\n" +
	"| 0 | 8 | pos | next position; 0\\|1 |\n| 8 | 4 | state | 0 or 1 |\n| 12 | 4 | pad | - |\n"

const soundQueue = `// Package queue is one.
package queue

// Queue is a queue.
type Queue struct{ n int }

// Len returns how many there are.
func (q *Queue) Len() int {
	return q.n // pairs with: queue.n (Put)
}

func (q *Queue) String() string { return "" }

// Put puts.
func Put(q *Queue) {
	q.n++ // commit; pairs with: queue.n (Len)
}
`

const soundLayout = `package queue

import (
	"structs"
	"unsafe"
)

// header is the beginning.
//
//	offset size field meaning
//	0 8 pos next position; 0|1
//	8 4 state 0 or 1
//	12 4 pad -
type header struct {
	_     structs.HostLayout
	pos   uint64
	state uint32
	_     [4]byte
}

var _ = [1]struct{}{}[unsafe.Sizeof(header{})-16]
`

// plant changes a sound tree.
type plant func(files map[string]string)

func replace(file, old, with string) plant {
	return func(files map[string]string) {
		if !strings.Contains(files[file], old) {
			panic(file + " has no " + old)
		}
		files[file] = strings.Replace(files[file], old, with, 1)
	}
}

func add(file, text string) plant {
	return func(files map[string]string) { files[file] += text }
}

var planted = []struct {
	rule  string
	plant plant
	want  string // in the first fault that is found
}{
	{"documented", replace("queue/queue.go", "// Put puts.\n", ""), "Put has no comment"},
	{"documented", replace("queue/queue.go", "// Len returns how many there are.\n", ""), "Len has no comment"},
	{"documented", replace("queue/queue.go", "// Queue is a queue.\n", ""), "Queue has no comment"},
	{"documented", replace("queue/queue.go", "// Package queue is one.\n", ""), "package has no comment"},
	{"documented", add("queue/queue.go", "var Most = 1\n"), "Most has no comment"},
	{"unsafe", add("queue/cast_unsafe.go", "package queue\n\nimport \"unsafe\"\n"), "queue/cast_unsafe.go:3: unsafe is not"},
	{"unsafe", add("internal/mem/cast.go", "package mem\n\nimport \"unsafe\"\n"), "internal/mem/cast.go:3: unsafe is not"},
	{"unsafe", add("queue/layout.go", "var _ unsafe.Pointer\n"), "unsafe.Pointer is not for a layout"},
	{"sleep", add("queue/queue.go", "func nap() { time.Sleep(1) }\n"), "time.Sleep"},
	{"length", add("queue/queue.go", strings.Repeat("\n", 500)), "at most 500"},
	{"pairs", replace("queue/queue.go", " // pairs with: queue.n (Put)", ""), `no load pairs with "queue.n"`},
	{"pairs", replace("queue/queue.go", "// commit; pairs with: queue.n (Len)", ""), `no store commits "queue.n"`},
	{"pairs", replace("queue/queue.go", "pairs with: queue.n (Len)", "pairs with: queue.m (Len)"), ""},
	{"pairs", replace("queue/queue.go", "queue.n (Len)", "queue.n (Cap)"), `no function "Cap"`},
	{"pairs", replace("queue/queue.go", "queue.n (Len)", "queue.n"), `"queue.n" names no function`},
	{"layout", replace("queue/layout.go", "state uint32\n\t_     [4]byte", "_     [4]byte\n\tstate uint32"), "says 8 4 state, the compiler 8 4 _"},
	{"layout", replace("queue/layout.go", "0 8 pos", "0 8 position"), "0 8 position"},
	{"layout", replace("queue/layout.go", "//\t8 4 state 0 or 1\n", ""), "2 rows, the struct 3"},
	{"layout", add("queue/layout.go", "\ntype bare struct {\n\t_ structs.HostLayout\n\tx uint64\n}\n"), "bare has no table"},
	{"layout docs", replace("docs/layout.md", "0 or 1", "0 or 2"), "not that of the code"},
	{"layout docs", replace("docs/layout.md", "queue/layout.go header", "queue/layout.go footer"), ""},
	{"snippets", replace("README.md", "fmt.Println(1)", "fmt.Println(2)"), "README.md:8: no example"},
	{"names", replace("README.md", "queue.Put", "queue.Take"), "there is no queue.Take"},
	{"names", replace("README.md", "queue.Queue.Len", "queue.Queue.Cap"), "there is no queue.Queue.Cap"},
	{"names", add("README.md", "`pool.New` is there.\n"), "there is no pool.New"},
	{"files", replace("README.md", "(docs/layout.md)", "(docs/formats/)"), "there is no docs/formats/"},
	{"files", add("queue/queue.go", "// See docs/protocol"+".md.\n"), "there is no docs/protocol"},
	{"files", add("queue/queue.go", "// See docs/decisions/"+"0042.\n"), "there is no docs/decisions/"},
	{"files", add("queue/queue.go", "// See /ho"+"me/me.\n"), "a place on one machine"},
	{"words", add("queue/queue.go", "// Written by an A"+"I.\n"), "does not belong here"},
	{"words", add("docs/layout.md", "TO"+"DO: more.\n"), "does not belong here"},
	{"commands", replace(".ci/run", "go test ./...", "go test ./queue"), `CI does not run "go test ./..."`},
	{"commands", replace("README.md", "go run ./examples/value_array_queue\n", ""), "does not say"},
	{"conformance", replace("queue/queue_test.go", "TestQueue(", "TestStack("), `queue has no "TestQueue"`},
	{"conformance", replace("queue/queue_test.go", "\"QUE-01\"", "\"QUE-02\""), `no subtest "QUE-01"`},
	{"conformance", replace("docs/from-python.md", "| QUE-01", "| QUE-03"), "does not bear QUE-03"},
	{"conformance", replace("docs/from-python.md", "`queue`", "`lock`"), `lock has no "TestQueue"`},
	{"conformance", replace("docs/from-python.md", ", `TestOther`", " | `TestOther`"), "has 5 cells"},
	{"conformance", add("docs/from-python.md", "| QUE-01 | again | `queue` | `TestOther` |\n"), "a second row"},
}

func TestPlanted(t *testing.T) {
	byName := map[string]rule{}
	for _, r := range rules() {
		byName[r.name] = r
	}
	unproven := maps.Clone(byName)
	for _, tt := range planted {
		delete(unproven, tt.rule)
		t.Run(tt.rule, func(t *testing.T) {
			files := sound()
			tt.plant(files)
			faults := look(t, byName[tt.rule], files)
			switch {
			case len(faults) == 0:
				t.Error("the planted fault was not found")
			case !strings.Contains(faults[0], tt.want):
				t.Errorf("found %q, want %q first", faults, tt.want)
			}
		})
	}
	for name := range unproven {
		t.Errorf("no fault is planted for the rule %q", name)
	}
}

func TestSound(t *testing.T) {
	for _, r := range rules() {
		if faults := look(t, r, sound()); len(faults) != 0 {
			t.Errorf("%s found %q in a sound tree", r.name, faults)
		}
	}
}

func look(t *testing.T, r rule, files map[string]string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := newTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	faults, err := r.look(tree)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}
