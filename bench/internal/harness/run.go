package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Plan says how often and how long.
type Plan struct {
	Runs    int           // repetitions of each implementation
	Tries   int           // how often a repetition is begun again
	Timeout time.Duration // of one repetition
}

// Run runs a case: in each repetition every implementation once, in turn.
func Run(ctx context.Context, tools *Tools, c Case, plan Plan) []Result {
	results := make([]Result, len(c.Impls))
	commands := make([][]string, len(c.Impls))
	for i, impl := range c.Impls {
		results[i] = Result{Case: c.Name, Impl: impl.Name, Unit: c.Unit}
		commands[i], results[i].Err = impl.Command(tools)
	}
	for range plan.Runs {
		for i := range c.Impls {
			if results[i].Err != nil {
				continue
			}
			s, err := tools.repeat(ctx, c, commands[i], plan)
			if err != nil {
				results[i].Err = err
				continue
			}
			results[i].Samples = append(results[i].Samples, s)
		}
	}
	return results
}

// errMoved says that the processors moved in each try.
var errMoved = errors.New("the processors moved to other cores in every try")

// repeat measures once, in a moment in which the two processors keep the
// distance that they mostly have: virtual processors are moved between the cores
// of the host, and the cost of a shared cache line changes fivefold with it.
func (t *Tools) repeat(ctx context.Context, c Case, command []string, plan Plan) (Sample, error) {
	for range plan.Tries {
		before := t.distance(c)
		if before != t.usual && !c.Alone {
			continue
		}
		s, err := t.measure(ctx, command, plan.Timeout)
		if err != nil {
			return Sample{}, err
		}
		if c.Alone || t.distance(c) == before {
			return s, nil
		}
	}
	return Sample{}, errMoved
}

// DirVariable names the folder in memory that a program may use; it is removed
// when the program has ended, however it does.
const DirVariable = "BENCH_DIR"

func (t *Tools) measure(ctx context.Context, command []string, timeout time.Duration) (Sample, error) {
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
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return Sample{}, fmt.Errorf("%v: %w: %s", command, err, exit.Stderr)
		}
		return Sample{}, fmt.Errorf("%v: %w", command, err)
	}
	var s Sample
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n")) // some libraries log to the output, too
	if err := json.Unmarshal(lines[len(lines)-1], &s); err != nil {
		return Sample{}, fmt.Errorf("%v printed %q: %w", command, out, err)
	}
	return s, nil
}
