package harness_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// TestMain runs the made-up implementations: "-made-up FIGURE [FILE]" prints a
// sample of that figure; with a file, a bad one as long as the file is short.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "-made-up" {
		os.Exit(m.Run())
	}
	figure := os.Args[2]
	if len(os.Args) > 3 && moody(os.Args[3]) {
		figure = "1e6"
	}
	fmt.Printf("{\"value\":%s}\n", figure)
}

// moody counts its calls in a file, and is true for the first four.
func moody(path string) bool {
	seen, _ := os.ReadFile(path) // missing at first
	if err := os.WriteFile(path, append(seen, '.'), 0o600); err != nil {
		panic(err)
	}
	return len(seen) < 4
}

// madeUp returns an implementation that prints a figure.
func madeUp(name string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(*harness.Tools) ([]string, error) {
		self, err := os.Executable()
		return append([]string{self, "-made-up"}, args...), err
	}}
}

func gate(t *testing.T, unit harness.Unit, mine, rival harness.Impl) harness.Verdict {
	t.Helper()
	tools, err := harness.NewTools(t.Context(), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tools.Close() })
	cases := []harness.Case{
		{Name: "other", Unit: unit, Impls: []harness.Impl{mine, mine}},
		{Name: "made up", Unit: unit, Alone: true, Impls: []harness.Impl{mine, madeUp("bystander", "7"), rival}},
	}
	recorded := []harness.Recorded{{Case: "made up", Rival: rival.Name, Ratio: 1.5}}
	plan := harness.Plan{Runs: 3, Within: time.Minute, Timeout: time.Minute}
	verdicts, err := harness.Gate(t.Context(), tools, cases, recorded, plan)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts[0]
}

func TestGate(t *testing.T) {
	for _, test := range []struct {
		name        string
		unit        harness.Unit
		mine, rival string
		passes      bool
	}{
		{"as recorded", harness.Nanoseconds, "15", "10", true},
		{"a little slow", harness.Nanoseconds, "29", "10", true},
		{"much too slow", harness.Nanoseconds, "31", "10", false},
		{"as many as recorded", harness.Millions, "15", "10", true},
		{"a little few", harness.Millions, "8", "10", true},
		{"much too few", harness.Millions, "7", "10", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := gate(t, test.unit, madeUp("shoal", test.mine), madeUp("rival", test.rival))
			if v.Passed != test.passes {
				t.Errorf("passed is %v, want %v: %v", v.Passed, test.passes, v)
			}
			if want := map[bool]int{true: 1, false: 5}[test.passes]; len(v.Seen) != want {
				t.Errorf("measured %d times, want %d: what is bad is measured again, what is good is not", len(v.Seen), want)
			}
		})
	}
}

// TestGateRepeats has Shoal be slow by chance at first.
func TestGateRepeats(t *testing.T) {
	v := gate(t, harness.Nanoseconds, madeUp("shoal", "15", filepath.Join(t.TempDir(), "calls")), madeUp("rival", "10"))
	if !v.Passed || len(v.Seen) != 2 {
		t.Errorf("got %v after %d attempts, want it passed at the second", v, len(v.Seen))
	}
}

func TestGateWithoutRival(t *testing.T) {
	gone := harness.Impl{Name: "rival", Command: func(*harness.Tools) ([]string, error) {
		return nil, &harness.MissingError{What: "cc", Install: "apt-get install gcc"}
	}}
	v := gate(t, harness.Nanoseconds, madeUp("shoal", "15"), gone)
	if len(v.Seen) != 0 || v.Passed || !strings.Contains(v.String(), "apt-get install gcc") {
		t.Errorf("got %v, want it not judged, and how to get the rival", v)
	}
}

func TestPingPong(t *testing.T) {
	// Side 1 cannot be bound to a processor that there is not.
	if d, err := harness.PingPong(0, 8191); err == nil {
		t.Errorf("got %v from a processor that does not exist", d)
	}
	// Both sides on one processor cannot run at once, and that is no time of 0.
	if d, err := harness.PingPong(0, 0); err == nil && d < time.Microsecond {
		t.Errorf("one processor is %v from itself", d)
	}
}

// TestRunGivesUp has an implementation fail, and the others go on.
func TestRunGivesUp(t *testing.T) {
	tools, err := harness.NewTools(t.Context(), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	defer tools.Close()
	failing := harness.Impl{Name: "failing", Command: func(*harness.Tools) ([]string, error) { return []string{"/bin/false"}, nil }}
	cases := []harness.Case{{
		Name: "c", Unit: harness.Nanoseconds, Alone: true,
		Impls:   []harness.Impl{madeUp("shoal", "4"), failing, madeUp("rival", "2")},
		Targets: []harness.Target{{Rival: "rival", Ratio: 1.9}},
	}}
	var got []harness.Row
	err = harness.Run(context.Background(), tools, cases, harness.Plan{Runs: 2, Within: time.Minute, Timeout: time.Minute},
		func(_ harness.Case, rows []harness.Row) { got = rows })
	if err != nil || len(got) != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	if r := got[1]; r.Runs != 0 || r.Error == "" {
		t.Errorf("the failing one: %+v", r)
	}
	if r := got[2]; r.Runs != 2 || r.Ratio != 2 || r.Met == nil || *r.Met {
		t.Errorf("the rival: %+v, want 2 runs, and the target of 1.9 missed by a ratio of 2", r)
	}
}
