package examples_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// python returns a Python that can share memory; empty if there is none here.
var python = sync.OnceValue(func() string {
	path, err := exec.LookPath("python3")
	if err != nil {
		return ""
	}
	// Where semaphores are missing, multiprocessing is there and does not work.
	if exec.Command(path, "-E", "-c", "import multiprocessing; multiprocessing.Lock()").Run() != nil {
		return ""
	}
	return path
})

// notation is how Python writes what Go writes otherwise.
var notation = strings.NewReplacer(", ", " ", "'", "", "None", "<nil>")

// compareWithOriginal runs the Python original of an example, which must print
// the same lines in some order.
func compareWithOriginal(t *testing.T, test example, got []string) {
	t.Helper()
	if python() == "" {
		t.Log("there is no working python3 here: not compared with its original")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// -E: nothing in the environment makes it print lines in pieces.
	args := append([]string{"-E", filepath.Join(test.program, "original.py")}, test.python...)
	out, err := exec.CommandContext(ctx, python(), args...).Output()
	if err != nil {
		t.Fatalf("the original: %v, output:\n%s", err, out)
	}
	want := lines(notation.Replace(string(out)))
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it prints\n%s\nits original\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
}

// TestEveryOriginalIsCompared: no original lies here for nothing.
func TestEveryOriginalIsCompared(t *testing.T) {
	files, err := filepath.Glob("*/original.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("originals: %v, %v", files, err)
	}
	for _, file := range files {
		if !slices.ContainsFunc(examples(), func(e example) bool {
			return e.program == filepath.Dir(file) && e.python != nil
		}) {
			t.Errorf("nothing is compared with %s", file)
		}
	}
}

// TestProgressBarStaysHere: what draws on terminals is no dependency of the library.
func TestProgressBarStaysHere(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command here")
	}
	list := func(args ...string) []string {
		out, err := exec.CommandContext(t.Context(), goTool, append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	draws := func(name string) bool { return strings.Contains(name, "progressbar") }
	if !slices.ContainsFunc(list("-deps", "./single_vs_multi"), draws) {
		t.Error("no example draws: this test finds nothing")
	}
	library := slices.DeleteFunc(list("../..."), func(name string) bool { return strings.Contains(name, "/examples/") })
	if slices.ContainsFunc(list(append([]string{"-deps"}, library...)...), draws) {
		t.Error("the library depends on the progress bar")
	}
}
