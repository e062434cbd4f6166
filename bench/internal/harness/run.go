package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Plan says how often and how long.
type Plan struct {
	Runs    int           // repetitions of each implementation
	Within  time.Duration // for all cases; where it is short there are fewer repetitions
	Timeout time.Duration // of one repetition
}

// fewest is how many repetitions there are even when time is short. When it has
// run out there is one.
const fewest = 3

// tries is how often a repetition is begun again.
const tries = 8

// enough is how often a program may fail before it is left alone.
const enough = 2

// patience is how long the usual distance of the processors is waited for.
const patience = 2 * time.Second

// Run runs cases one after the other and yields the rows of each.
func Run(ctx context.Context, tools *Tools, cases []Case, plan Plan, show func(Case, []Row)) error {
	start, total, done := time.Now(), 0, 0
	for _, c := range cases {
		total += len(c.Impls)
	}
	for _, c := range cases {
		done += len(c.Impls)
		until := start.Add(plan.Within * time.Duration(done) / time.Duration(total))
		results, err := tools.run(ctx, c, plan, until)
		if err != nil {
			return err
		}
		show(c, Compare(c, results))
	}
	return nil
}

// turns is a case that is measured.
type turns struct {
	tools    *Tools
	c        Case
	plan     Plan
	until    time.Time // when its time is over
	commands [][]string
	results  []Result
}

// run measures a case. If the processors have gone to another distance for good,
// it begins once more.
func (t *Tools) run(ctx context.Context, c Case, plan Plan, until time.Time) ([]Result, error) {
	n := len(c.Impls)
	m := &turns{tools: t, c: c, plan: plan, until: until, commands: make([][]string, n), results: make([]Result, n)}
	for i, impl := range c.Impls {
		m.results[i].Impl = impl.Name
		m.commands[i], m.results[i].Err = impl.Command(t)
	}
	for again := 0; ; again++ {
		if err := m.begin(ctx); err != nil {
			return nil, err
		}
		moved, err := m.rounds(ctx)
		if err != nil || moved*2 < plan.Runs || again == 1 || time.Now().After(until) {
			return m.results, err
		}
	}
}

// begin finds the usual distance, and forgets what was measured at another one.
func (m *turns) begin(ctx context.Context) error {
	if m.c.Alone {
		return nil
	}
	err := m.tools.settle(ctx)
	for i := range m.results {
		r := &m.results[i]
		r.Samples, r.Distance = nil, m.tools.usual
		if errors.Is(r.Err, errMoved) {
			r.Err = nil
		}
	}
	return err
}

// rounds lets the implementations take turns, and returns in how many rounds the
// processors did not keep still.
func (m *turns) rounds(ctx context.Context) (moved int, err error) {
	failed := make([]int, len(m.results))
	for round := range m.plan.Runs {
		late := time.Now().After(m.until.Add(m.plan.Within / 10))
		if round >= fewest && time.Now().After(m.until) || round > 0 && late {
			break
		}
		still := true
		for i := range m.results {
			if m.commands[i] == nil || failed[i] == enough {
				continue
			}
			r := &m.results[i]
			s, err := m.repeat(ctx, m.commands[i])
			if ctx.Err() != nil {
				return moved, ctx.Err()
			}
			r.Err = err
			switch {
			case err == nil:
				r.Samples = append(r.Samples, s)
			case errors.Is(err, errMoved):
				still = false
			default:
				failed[i]++
			}
		}
		if !still {
			moved++
		}
	}
	for i := range m.results {
		if r := &m.results[i]; errors.Is(r.Err, errMoved) && len(r.Samples) > 0 {
			r.Err = nil // fewer runs, and the row says how many
		}
	}
	return moved, nil
}

// errMoved says that the processors moved in each try.
var errMoved = errors.New("the processors were moved, or busy, in every try")

// repeat measures once, in a moment in which the two processors keep the
// distance that they mostly have: virtual processors are moved between the cores
// of the host, and the cost of a shared cache line changes fivefold with it.
func (m *turns) repeat(ctx context.Context, command []string) (Sample, error) {
	for try := range tries {
		if try > 0 && time.Now().After(m.until) {
			break
		}
		if err := m.tools.await(ctx, m.c); err != nil {
			return Sample{}, err
		}
		s, err := m.tools.measure(ctx, command, m.plan.Timeout)
		if err != nil {
			return Sample{}, err
		}
		after, err := m.tools.distance(m.c)
		if err != nil || after == m.tools.usual {
			return s, err
		}
	}
	return Sample{}, errMoved
}

// await waits a little for the usual distance; errMoved says that it does not come.
func (t *Tools) await(ctx context.Context, c Case) error {
	for begin := time.Now(); time.Since(begin) < patience; pause(ctx) {
		d, err := t.distance(c)
		if err != nil || d == t.usual {
			return err
		}
	}
	return errMoved
}

// DirVariable names the folder in memory that a program may use; it is removed
// when the program has ended, however it does.
const DirVariable = "BENCH_DIR"

func (t *Tools) measure(ctx context.Context, command []string, timeout time.Duration) (Sample, error) {
	name := strings.Join(append([]string{filepath.Base(command[0])}, command[1:]...), " ")
	dir, err := os.MkdirTemp("/dev/shm", "bench")
	if err != nil {
		return Sample{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), DirVariable+"="+dir)
	whole(cmd)
	cmd.WaitDelay = time.Second // processes that it leaves behind may hold its output open
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return Sample{}, fmt.Errorf("%s: %w", name, ctx.Err())
	}
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return Sample{}, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(exit.Stderr))
		}
		return Sample{}, fmt.Errorf("%s: %w", name, err)
	}
	var s Sample
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n")) // some libraries log to the output, too
	if err := json.Unmarshal(lines[len(lines)-1], &s); err != nil {
		return Sample{}, fmt.Errorf("%s printed %q: %w", name, out, err)
	}
	return s, nil
}
