package scribble_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
	"github.com/shoal-ipc/shoal/shm"
)

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the first round; each later one has the next")

// totals is what a round has tried.
type totals struct{ writes, calls, good, uses int }

// TestProofScribbler: whatever is written into a segment, who uses it goes on, or
// gets errors or wrong data.
func TestProofScribbler(t *testing.T) {
	rounds, long := 4, 1500*time.Millisecond
	if proof.Full() {
		rounds, long = 16, 2500*time.Millisecond // in each of the two builds of a full run
	}
	var sum totals
	for i := range uint64(rounds) {
		n := round(t, *seed+i, long)
		if t.Failed() {
			t.Fatalf("repeat by: go test ./internal/proof/scribble -run TestProofScribbler -seed %d", *seed+i)
		}
		sum.writes, sum.calls = sum.writes+n.writes, sum.calls+n.calls
		sum.good, sum.uses = sum.good+n.good, sum.uses+n.uses
	}
	if sum.good < sum.calls/50 {
		t.Errorf("only %d of %d calls succeeded: too little was at stake", sum.good, sum.calls)
	}
	proof.Report(t, proof.Scribbler, proof.Count{N: sum.writes, Unit: "writes"}, proof.Count{N: sum.calls, Unit: "calls"},
		proof.Count{N: sum.uses, Unit: "uses of a segment"})
}

// fresh makes a segment with all objects in a new directory, and closes it.
func fresh(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	ctx := context.Background()
	seg, err := shm.Create(ctx, segmentName, spec, &shm.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range makers() {
		if _, err := m.make(ctx, seg); err != nil {
			tb.Fatal(m.name, err)
		}
	}
	if err := seg.Close(); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// round scribbles on one segment for about so long. Workers are killed and
// replaced meanwhile; in the end nothing is mended, and all must stop all the same.
func round(t *testing.T, seed uint64, long time.Duration) (sum totals) {
	t.Helper()
	dir := fresh(t)
	r := rand.New(rand.NewPCG(seed, 3))
	s := start(t, "scribbler", dir, fmt.Sprint(seed), "")
	if _, ok := s.said("ready"); !ok {
		t.Fatal(s.fault())
	}
	hire := func() *child {
		role := "worker"
		if r.IntN(4) == 0 {
			role = "looker"
		}
		return start(t, role, dir, fmt.Sprint(r.Uint64()), watchdog.String(), "")
	}
	crew := []*child{hire(), hire(), hire()}
	for begin := time.Now(); time.Since(begin) < long && !t.Failed(); {
		time.Sleep(time.Duration(100+r.IntN(400)) * time.Millisecond)
		i := r.IntN(len(crew))
		crew[i].kill()
		sum.report(t, crew[i])
		crew[i] = hire()
	}
	s.stop()
	for _, c := range crew {
		finish(t, c)
		sum.report(t, c)
	}
	sum.report(t, s)
	if t.Failed() {
		t.Logf("seed %d; the last that was written:\n%s", seed, s.evil())
	}
	return sum
}

// finish stops a child that must be able to end whatever the memory looks like.
func finish(t *testing.T, c *child) {
	t.Helper()
	over := time.AfterFunc(2*watchdog, func() {
		t.Errorf("%s %d does not stop", c.role, c.cmd.Process.Pid)
		_ = c.cmd.Process.Kill()
	})
	defer over.Stop()
	c.stop()
}

// report adds what a child has done, or says what is wrong with it.
func (sum *totals) report(t *testing.T, c *child) {
	t.Helper()
	if fault := c.fault(); fault != "" {
		t.Error(fault)
	}
	for _, line := range c.out {
		fields := strings.Fields(line)
		count := func(i int) int {
			n, _ := strconv.Atoi(fields[i])
			return n
		}
		switch fields[0] {
		case "writes":
			sum.writes += count(1)
		case "calls":
			sum.calls, sum.good, sum.uses = sum.calls+count(1), sum.good+count(2), sum.uses+count(3)
		}
	}
}

// evil returns the last writes of a scribbler.
func (c *child) evil() string {
	var list []string
	for _, line := range c.out {
		if strings.HasPrefix(line, "evil ") {
			list = append(list, line)
		}
	}
	return strings.Join(list, "\n")
}

// TestPlantedFaults: an operation that reads a length twice, and one that waits
// until a word makes sense, are found.
func TestPlantedFaults(t *testing.T) {
	for planted, code := range map[string]int{"double fetch": exitPanic, "waits for sense": exitHang} {
		t.Run(planted, func(t *testing.T) {
			dir := fresh(t)
			s := start(t, "scribbler", dir, "1", "array at 384")
			if _, ok := s.said("ready"); !ok {
				t.Fatal(s.fault())
			}
			patience := watchdog
			if code == exitHang {
				patience = 5 * time.Second // as long as no other call takes, on a machine that is busy
			}
			c := start(t, "worker", dir, "1", patience.String(), planted)
			if code == exitHang {
				time.Sleep(500 * time.Millisecond)
				s.stop() // as it is
			}
			select {
			case <-c.ended:
			case <-time.After(watchdog):
				t.Fatal("the fault was not found")
			}
			if got := c.cmd.ProcessState.ExitCode(); got != code || !strings.Contains(c.fault(), "planted: "+planted) {
				t.Errorf("exit code %d, want %d\n%s", got, code, c.fault())
			}
		})
	}
}
