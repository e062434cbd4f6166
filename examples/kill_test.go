//go:build linux

package examples_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
)

const (
	// watchdog bounds how long a tree may go on once something of it was killed.
	watchdog = time.Minute
	mostKill = 3 // processes of one run
)

// runs returns how often each example runs to be killed.
func runs() int {
	switch {
	case proof.Full():
		return 300
	case testing.Short():
		return 2
	}
	return 10
}

// TestKilledExamples kills processes of each example at random, the parent among
// them, at moments from its start to its usual end. The others go on or end with
// an error. None hangs, and nothing is left: no process and no file. A run that
// ends well has printed what it should.
func TestKilledExamples(t *testing.T) {
	dir := build(t)
	seed := rand.Uint64()
	for i, test := range examples() {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			k := killer{t: t, test: test, path: filepath.Join(dir, test.program)}
			usual := k.undisturbed()
			for n := range runs() {
				random := rand.New(rand.NewPCG(seed, uint64(i)<<32|uint64(n)))
				first := (float64(n) + random.Float64()) / float64(runs())
				k.disturbed(random, time.Duration(first*float64(usual)), usual)
			}
			if t.Failed() {
				t.Logf("the seed was %d", seed)
			}
		})
	}
}

// killer runs one example.
type killer struct {
	t    *testing.T
	test example
	path string
}

// undisturbed runs the example, and returns how long that takes.
func (k killer) undisturbed() time.Duration {
	k.t.Helper()
	start := time.Now()
	tr := k.start()
	if err := tr.audit(watchdog); err != nil || tr.err != nil {
		k.t.Fatalf("undisturbed: %v, %v, standard error %q", tr.err, err, &tr.stderr)
	}
	return time.Since(start)
}

// disturbed runs the example and kills one to three of its processes: the first
// at that moment, the others before the usual end.
func (k killer) disturbed(random *rand.Rand, moment, usual time.Duration) {
	k.t.Helper()
	tr := k.start()
	for range 1 + random.IntN(mostKill) {
		select {
		case <-tr.ended:
		case <-time.After(moment):
		}
		if !tr.killOne(random) {
			break
		}
		moment = time.Duration(random.Float64() * float64(usual) / mostKill)
	}
	if err := tr.audit(watchdog); err != nil {
		k.t.Errorf("killed: %s: %v", strings.Join(tr.killed, ", "), err)
		return
	}
	if tr.err == nil && !k.test.printed(tr.stdout.String()) {
		k.t.Errorf("killed: %s: it ends well, and has printed\n%s", strings.Join(tr.killed, ", "), &tr.stdout)
	}
}

func (k killer) start() *tree {
	k.t.Helper()
	return mustPlant(k.t, k.t.TempDir(), k.path, k.test.args...)
}

// mustPlant starts a tree that ends with the test at the latest.
func mustPlant(t *testing.T, folder, program string, args ...string) *tree {
	t.Helper()
	tr, err := plant(t.Context(), folder, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestKilledOrders does the same to processes that meet by a name. An order goes
// to a worker that lives; a name that nobody was left to remove goes with who
// comes next.
func TestKilledOrders(t *testing.T) {
	path := filepath.Join(build(t), "orders")
	seed := rand.Uint64()
	for n := range runs() {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		folder := t.TempDir()
		var all []*tree
		for _, arg := range []string{"work", "work", "put", "put"} {
			args := []string{arg, "tea"}
			if arg == "work" {
				args = args[:1]
			}
			all = append(all, mustPlant(t, folder, path, args...))
		}
		for range 1 + random.IntN(mostKill) {
			<-time.After(time.Duration(random.Int64N(int64(10 * time.Millisecond))))
			all[random.IntN(len(all))].killOne(random)
		}
		if err := serveAll(t, all, path); err != nil {
			t.Fatalf("seed %d, run %d: %v", seed, n, err)
		}
	}
}

// serveAll puts orders until every worker has had one, and then one more: who
// puts it finds what was left, and is the last user.
func serveAll(t *testing.T, all []*tree, path string) error {
	t.Helper()
	folder := all[0].folder
	for start := time.Now(); ; {
		put := mustPlant(t, folder, path, "put", "tea")
		if err := put.over(watchdog); err != nil || put.err != nil {
			return fmt.Errorf("an order: %w, %w, standard error %q", put.err, err, &put.stderr)
		}
		served := 0
		for _, tr := range all {
			select {
			case <-tr.ended:
				served++
			default:
			}
		}
		if served == len(all) {
			break
		}
		if time.Since(start) > watchdog {
			return fmt.Errorf("%d of %d ended", served, len(all))
		}
	}
	for _, tr := range all {
		if err := tr.over(watchdog); err != nil {
			return err
		}
		if tr.err != nil && len(tr.killed) == 0 {
			return fmt.Errorf("one that was not killed: %w, standard error %q", tr.err, &tr.stderr)
		}
	}
	last := mustPlant(t, folder, path, "put", "tea")
	if err := last.audit(watchdog); err != nil || last.err != nil {
		return fmt.Errorf("the last order: %w, %w, standard error %q", last.err, err, &last.stderr)
	}
	return nil
}

// TestWhatIsLeftIsFound: the tests of killed examples can fail.
func TestWhatIsLeftIsFound(t *testing.T) {
	for what, want := range map[string]string{
		"a file":  "left behind",
		"a child": "1 processes live on",
		"itself":  "1 processes live on",
	} {
		t.Run(what, func(t *testing.T) {
			t.Setenv(leaving, what)
			t.Setenv("GORACE", "atexit_sleep_ms=0")
			tr := mustPlant(t, t.TempDir(), os.Args[0])
			if what != "itself" {
				<-tr.ended // so that nobody counts as left who is about to end
			}
			err := tr.audit(2 * time.Second)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if all, err := tr.members(); err != nil || len(all) != 0 {
				t.Errorf("of what was found there are still %v, %v", all, err)
			}
		})
	}
}
