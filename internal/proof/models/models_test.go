//go:build linux && !shmcheck && !shmfallback && !race

package models

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// names returns the models, so that none is lost unseen.
func names() []string {
	return []string{
		"barrier", "condition", "event", "hashmap", "mutex", "pipe", "queue", "queue_fence", "queue_owner",
		"queue_wake", "rwmutex", "segment", "semaphore", "semaphore_wake", "table",
	}
}

// TestProofModels has spin search every model, and find what is planted in it.
// Full runs take every line of the files; wide ones leave out those that are LONG and
// all but some BUGs of each; and others take the first RUN of each and the first BUG
// of the first one: most of the time goes into compiling.
func TestProofModels(t *testing.T) {
	needTools(t)
	var states, runs, bugs atomic.Int64
	files := modelFiles(t)
	t.Run("search", func(t *testing.T) {
		for i, file := range files {
			for _, c := range chosen(parse(t, file), i) {
				t.Run(file.name+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					result := search(t, file.path, c)
					if c.planted {
						if result.errors == 0 {
							t.Errorf("spin finds nothing wrong in %d states", result.states)
						}
						bugs.Add(1)
						return
					}
					if result.errors != 0 || !result.complete {
						t.Errorf("%d errors, search complete: %t\n%s", result.errors, result.complete, result.output)
					}
					t.Logf("%d states", result.states)
					states.Add(int64(result.states))
					runs.Add(1)
				})
			}
		}
	})
	proof.Report(t, proof.Model,
		proof.Count{N: int(states.Load()), Unit: "states"},
		proof.Count{N: int(runs.Load()), Unit: "configurations"},
		proof.Count{N: len(files), Unit: "models"},
		proof.Count{N: int(bugs.Load()), Unit: "planted bugs found"})
}

// TestLines checks that each file names what is planted in it, and nothing else.
func TestLines(t *testing.T) {
	macro := regexp.MustCompile(`\bBUG_[A-Z0-9_]+`)
	for _, file := range modelFiles(t) {
		lines := parse(t, file)
		if len(lines) == 0 || lines[0].planted || !slices.ContainsFunc(lines, func(c configuration) bool { return c.planted }) {
			t.Errorf("%s has no RUN line at first, or no BUG line", file.name)
		}
		_, body, _ := strings.Cut(file.text, "*/")
		for _, name := range macro.FindAllString(body, -1) {
			if !slices.ContainsFunc(lines, func(c configuration) bool { return c.name == name }) {
				t.Errorf("%s plants %s, and no line names it", file.name, name)
			}
		}
		for _, c := range lines {
			if c.planted && !strings.Contains(body, c.name) {
				t.Errorf("%s names %s and does not plant it", file.name, c.name)
			}
		}
	}
}

// TestVerdict reads what spin's searches print.
func TestVerdict(t *testing.T) {
	good := "State-vector 76 byte, depth reached 106, errors: 0\n    71676 states, stored\n"
	for name, test := range map[string]struct {
		output string
		want   verdict
	}{
		"good":      {good, verdict{states: 71676, complete: true}},
		"large":     {strings.Replace(good, "71676", "1.5466132e+08", 1), verdict{states: 154661320, complete: true}},
		"error":     {"pan:1: invalid end state (at depth 46)\nWarning: Search not completed\n" + strings.Replace(good, "errors: 0", "errors: 1", 1), verdict{states: 71676, errors: 1}},
		"truncated": {"error: max search depth too small\n" + good, verdict{states: 71676}},
		"memory":    {"pan: reached -DMEMLIM bound\n" + good, verdict{states: 71676}},
		"nothing":   {"", verdict{}},
	} {
		test.want.output = test.output
		if got := judge(test.output); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestNames checks that every model is searched.
func TestNames(t *testing.T) {
	files, err := filepath.Glob("*.pml")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".pml")
	}
	if !slices.Equal(files, names()) {
		t.Errorf("there are %q, and searched are %q", files, names())
	}
}

// needTools skips the test where it cannot run.
func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no models are checked: %v (Debian has the packages spin and gcc)", err)
		}
	}
}

type modelFile struct{ name, path, text string }

func modelFiles(t *testing.T) []modelFile {
	t.Helper()
	var files []modelFile
	for _, name := range names() {
		path, err := filepath.Abs(name + ".pml")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, modelFile{name, path, string(text)})
	}
	return files
}

// configuration is a line of a model that says how it is run.
type configuration struct {
	name    string
	macros  []string
	planted bool
	cycles  bool
	brief   bool
	long    bool
}

func parse(t *testing.T, file modelFile) []configuration {
	t.Helper()
	line := regexp.MustCompile(`(?m)^ \* (RUN|FULL|LONG|BUG) +(.+?) +(-D.*)$`)
	var all []configuration
	for _, m := range line.FindAllStringSubmatch(file.text, -1) {
		c := configuration{name: m[2], planted: m[1] == "BUG", brief: m[1] == "RUN", long: m[1] == "LONG"}
		for word := range strings.FieldsSeq(m[3]) {
			if word == "NP" {
				c.cycles = true
				continue
			}
			c.macros = append(c.macros, word)
		}
		if c.planted {
			c.macros = append(c.macros, "-D"+c.name)
		}
		all = append(all, c)
	}
	return all
}

// widely is how many planted faults of each model wide runs look for.
const widely = 4

// chosen returns the configurations of the model number i that this run has time for.
func chosen(all []configuration, i int) []configuration {
	switch {
	case proof.Full():
		return all
	case proof.Wide():
		planted := 0
		return slices.DeleteFunc(all, func(c configuration) bool {
			if c.planted {
				planted++
			}
			return c.long || c.planted && planted > widely
		})
	}
	some := all[:1]
	if bug := slices.IndexFunc(all, func(c configuration) bool { return c.planted }); i == 0 && bug > 0 {
		some = append(slices.Clip(some), all[bug])
	}
	return some
}

// verdict is what a search says.
type verdict struct {
	states   int
	errors   int
	complete bool
	output   string
}

// search makes spin's program for a model, in a folder of its own, and runs it.
func search(t *testing.T, path string, c configuration) verdict {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "spin", append(append([]string{"-a"}, c.macros...), path)...)
	compile := []string{"-w", "-O0", "-DMEMLIM=6000", "-o", "pan", "pan.c"}
	if proof.Full() && !c.planted && !c.brief {
		compile[1] = "-O2" // it takes four times as long, and pays for long searches
	}
	if c.cycles {
		compile = append(compile, "-DNP")
	} else {
		compile = append(compile, "-DSAFETY", "-DNOCLAIM")
	}
	run(t, dir, "cc", compile...)
	args := []string{"-m1000000", "-w20"}
	if c.cycles {
		args = append(args, "-l")
	}
	return judge(run(t, dir, "./pan", args...))
}

// run runs a command and returns what it prints. Only the search may end with an
// error: that is how it says that it has found one.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && (name != "./pan" || ctx.Err() != nil) {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out.String())
	}
	return out.String()
}

// judge reads the output of a search. One that was cut short is no search, whatever
// it says of errors.
func judge(output string) verdict {
	v := verdict{output: output}
	if m := regexp.MustCompile(`([0-9.e+]+) states, stored`).FindStringSubmatch(output); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		if err == nil {
			v.states = int(n)
		}
	}
	m := regexp.MustCompile(`errors: ([0-9]+)`).FindStringSubmatch(output)
	if m == nil {
		return v
	}
	v.errors, _ = strconv.Atoi(m[1])
	v.complete = v.states > 0
	for _, sign := range []string{"not completed", "max search depth too small", "MEMLIM", "out of memory", "aborted", "truncated"} {
		if strings.Contains(output, sign) {
			v.complete = false
		}
	}
	return v
}
