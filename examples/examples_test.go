// Package examples_test builds the example programs, runs them, and compares
// what they print with what they are known to print.
package examples_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// programs are all examples, which are built when the first test needs them.
var programs struct {
	once sync.Once
	dir  string // to be removed, if it is one
	err  error
}

// build returns the directory of the built examples.
func build(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes and shared memory need Linux")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command here")
	}
	programs.once.Do(func() { programs.dir, programs.err = buildAll(goTool) })
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// buildAll builds the examples, and returns where they are.
func buildAll(goTool string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "examples"); err != nil {
		return "", err
	}
	out, err := exec.Command(goTool, "build", "-o", dir+string(filepath.Separator), "./...").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
}

// TestMain lets this binary be a program that leaves something behind.
func TestMain(m *testing.M) {
	if what := os.Getenv(leaving); what != "" {
		leave(what)
		return
	}
	code := m.Run()
	if err := os.RemoveAll(programs.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// varying is what differs from run to run: times, and how they compare.
var varying = regexp.MustCompile(`[0-9.]+(ns|µs|ms|m?s)\b|\b[0-9.e+-]+( seconds\.| times as long)|(time:  )[0-9.e+-]+`)

// lines returns the lines of what a program printed, with what varies blotted out.
func lines(out string) []string {
	return strings.SplitAfter(varying.ReplaceAllString(out, "${3}TIME$2"), "\n")
}

// example is a program and what it is known to print.
type example struct {
	program string
	args    []string
	want    string // lines, in any order unless ordered
	ordered bool
	python  []string                       // arguments of the Python original; nil: it has none
	check   func(t *testing.T, out string) // may be nil
}

// comparison is what an example prints that times a loop and a pool.
const comparison = "Sequential processing time: TIME seconds.\n" +
	"Parallel processing time: TIME seconds.\n" +
	"The pool takes TIME times as long as the loop.\n"

func examples() []example {
	return []example{
		{
			program: "processes", python: []string{},
			want: "Processing 0\nProcessing 1\nProcessing 2\nProcessing 3\nProcessing 4\n",
		},
		{
			program: "processes_named_args_join", python: []string{},
			want: "The name of continent is :  America\nThe name of continent is :  Europe\nThe name of continent is :  Africa\n",
		},
		{
			program: "value_array_queue", ordered: true, python: []string{},
			want: "3.1415927\n[0 -1 -2 -3 -4 -5 -6 -7 -8 -9]\n[42 <nil> hello]\n",
		},
		{
			program: "lock", python: []string{},
			want: "tango\nfoxtrot\n10\n",
		},
		{
			program: "semaphore", args: []string{"-pause", "20ms"}, python: []string{"0.02"},
			want: "Process-1 acquired\nProcess-2 acquired\nProcess-3 acquired\nProcess-4 acquired\nProcess-5 acquired\n" +
				"Process-1 released\nProcess-2 released\nProcess-3 released\nProcess-4 released\nProcess-5 released\n" +
				"\n\n\n\n\n",
			check: boundedToTwo,
		},
		{
			program: "queue_message", python: []string{},
			want: "Received Hello Worker Process! from main process\n",
		},
		{
			program: "pipe", python: []string{},
			want: "[42 <nil> hello]\n",
		},
		{
			program: "pool_map", python: []string{},
			want: "Results: [1 4 9 16 25 36 49 64 81 100]\n",
		},
		{
			program: "errors_and_timeouts", args: []string{"-limit", "1m"}, python: []string{"60"},
			want: "0\n1\n4\n9\n16\nCaught exception:  An error has occurred!\n<nil>\n36\n49\n64\n81\n",
		},
		{
			program: "squares_pool_vs_sequential", args: []string{"-part", "50"}, python: []string{"50"}, ordered: true,
			want: "Little work for each number:\n" + comparison + "Much work for each number:\n" + comparison,
		},
		{
			program: "single_vs_multi", args: []string{"-n", "100000"}, python: []string{"100000"}, ordered: true,
			want: "Single processor time:  TIME\nMulti processor time:  TIME\n",
		},
		{
			program: "ratelimit", ordered: true,
			want: "10.0.0.1 got 5\n10.0.0.2 got 3\n",
		},
		{
			program: "sessions", ordered: true,
			want: "welcome ada\nada was here before\nhello ada\nada was [reader writer]\nwho are you?\n",
		},
		{
			program: "inventory",
			want:    "cups: 0 left, 1000 sold\nmugs: 0 left, 1000 sold\nthere is no such item\n",
		},
		{
			program: "prefork", ordered: true,
			want: "a server was killed and is replaced\nserved 20 told to slow down 10\n",
		},
		{
			program: "survive", ordered: true, args: []string{"-kills", "3"},
			want: "the child holds the mutex, 2 permits, the only slot for results, and a job\n" +
				"accounts: [40 30] permits free: 1 jobs: 0\n" +
				"kill -9\n" +
				"mutex: locked, accounts repaired to [70 30], TIME after the kill\n" +
				"semaphore: all 3 permits acquired, TIME after the kill\n" +
				"message: \"paint the boat\" is delivered again, attempt 2, TIME after the kill\n" +
				"slot: free again, and holds a new result, TIME after the kill\n" +
				"the child was killed\n" +
				"medians of 3 kills:\nmutex TIME\nsemaphore TIME\nmessage TIME\nslot TIME\n",
		},
	}
}

func TestExamples(t *testing.T) {
	dir := build(t)
	for _, test := range examples() {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			run(t, dir, test)
		})
	}
}

// run runs the program of an example and checks what it prints.
func run(t *testing.T, dir string, test example) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, filepath.Join(dir, test.program), test.args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() != 0 {
		t.Fatalf("%v, standard error %q, output:\n%s", err, stderr.String(), out)
	}
	if !test.printed(string(out)) {
		t.Errorf("it prints\n%s\nwant\n%s", out, test.want)
	}
	if test.check != nil {
		test.check(t, string(out))
	}
	if test.python != nil {
		compareWithOriginal(t, test, lines(string(out)))
	}
}

// printed reports whether out is what the example is known to print.
func (e example) printed(out string) bool {
	got, want := lines(out), lines(e.want)
	if !e.ordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	return slices.Equal(got, want)
}

// boundedToTwo checks that never more than two processes were at work.
func boundedToTwo(t *testing.T, out string) {
	t.Helper()
	working := 0
	for line := range strings.Lines(out) {
		switch {
		case strings.HasSuffix(line, " acquired\n"):
			working++
		case strings.HasSuffix(line, " released\n"):
			working--
		}
		if working < 0 || working > 2 {
			t.Fatalf("%d at work:\n%s", working, out)
		}
	}
}
