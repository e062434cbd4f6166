// Package measure holds the programs that measure Shoal and what Go itself has:
// each runs in a process of its own, with further processes for the other sides,
// and prints one sample.
package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// window is how long a throughput is measured.
const window = 400 * time.Millisecond

// Job measures. The process with side 0 returns the sample, that of the others
// is ignored.
type Job func(ctx context.Context, p *Place) (harness.Sample, error)

// jobs returns all jobs by name.
func jobs() map[string]Job {
	all := map[string]Job{}
	for _, group := range []map[string]Job{
		queueJobs(), bigJobs(), cellJobs(), lockJobs(), segmentJobs(), idleJobs(), streamJobs(), shmipcJobs(), goJobs(), processJobs(), mapJobs(), pipeJobs(), poolJobs(),
	} {
		maps.Copy(all, group)
	}
	return all
}

// Place is where a job runs, and with which arguments.
type Place struct {
	Side  int    // 0 for the process that measures
	Sides int    // how many processes there are
	Dir   string // a folder in memory that all sides see
	CPUs  [2]int
	Args  map[string]string

	name     string
	children []*exec.Cmd
	ready    []io.Reader
}

// Int returns a numeric argument.
func (p *Place) Int(name string) int {
	n, err := strconv.Atoi(p.Args[name])
	if err != nil {
		panic(fmt.Errorf("argument %s: %w", name, err))
	}
	return n
}

// Main runs the job that args name, "job key=value …", and prints its sample.
func Main(ctx context.Context, args []string) error {
	p := &Place{Args: map[string]string{"sides": "1", "side": "0", "cpu0": "-1", "cpu1": "-1"}, name: args[0]}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		p.Args[key] = value
	}
	job, ok := jobs()[p.name]
	if !ok {
		return fmt.Errorf("no job %q; there are %v", p.name, slices.Sorted(maps.Keys(jobs())))
	}
	p.Side, p.Sides, p.Dir = p.Int("side"), p.Int("sides"), os.Getenv(harness.DirVariable)
	p.CPUs = [2]int{p.Int("cpu0"), p.Int("cpu1")}
	if err := p.settle(); err != nil {
		return err
	}
	if p.Side > 0 {
		_, err := job(ctx, p)
		return err
	}
	return p.lead(ctx, job)
}

// settle binds this process to its processor, if it has one. It must have started
// with both, because what spins looks at how many there were then; unless both
// sides are to share one, which then each must have had from the start.
func (p *Place) settle() error {
	cpu := p.CPUs[p.Side%2]
	if cpu < 0 {
		return nil
	}
	if err := harness.PinProcess(cpu); err != nil {
		return err
	}
	if p.CPUs[0] != p.CPUs[1] {
		// Each has what is best for it: Shoal spins only where there are two, the
		// others do with one what they do, and are quicker so.
		if strings.HasPrefix(p.name, "shoal/") {
			runtime.GOMAXPROCS(2)
		} else {
			runtime.GOMAXPROCS(1)
		}
		return nil
	}
	if runtime.NumCPU() == 1 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

func (p *Place) lead(ctx context.Context, job Job) error {
	sample, err := job(ctx, p)
	if err = errors.Join(err, p.WaitOthers()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(sample)
}

// StartOthers starts the processes of the other sides, which run the same job,
// and waits until each has called Ready. Files are passed on from descriptor 3.
func (p *Place) StartOthers(files ...*os.File) error {
	for side := 1; side < p.Sides; side++ {
		args := []string{"-measure", p.name}
		for k, v := range p.Args {
			if k != "side" {
				args = append(args, k+"="+v)
			}
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		c := exec.Command(self, append(args, "side="+strconv.Itoa(side))...)
		c.Stderr, c.ExtraFiles = os.Stderr, files
		out, err := c.StdoutPipe()
		if err != nil {
			return err
		}
		if err := p.start(c); err != nil {
			return err
		}
		p.children, p.ready = append(p.children, c), append(p.ready, out)
	}
	for _, out := range p.ready {
		var b [1]byte
		if _, err := io.ReadFull(out, b[:]); err != nil {
			return fmt.Errorf("another side does not get ready: %w", err)
		}
	}
	return nil
}

// start starts a process that may use both processors, though this one is bound
// to one of them.
func (p *Place) start(c *exec.Cmd) error {
	if p.CPUs[0] < 0 {
		return c.Start()
	}
	release, err := harness.PinThread(p.CPUs[:]...)
	if err != nil {
		return err
	}
	defer release()
	return c.Start()
}

// WaitOthers waits for the end of the other sides.
func (p *Place) WaitOthers() error {
	var failed error
	for _, c := range p.children {
		if err := c.Wait(); err != nil {
			failed = fmt.Errorf("another side: %w", err)
		}
	}
	p.children = nil
	return failed
}

// Ready tells side 0 that this side is about to begin.
func (p *Place) Ready() { _, _ = os.Stdout.Write([]byte{'.'}) }

// rate returns a sample of n operations a second, in millions.
func rate(n int, d time.Duration) harness.Sample {
	return harness.Sample{Value: float64(n) / d.Seconds() / 1e6}
}

// each returns a sample of the time that one of n operations took.
func each(n int, d time.Duration) harness.Sample {
	return harness.Sample{Value: float64(d.Nanoseconds()) / float64(n)}
}

// repeated times n calls of f, after some to warm up, and counts what they
// allocate. f does k operations.
func repeated(n, k int, f func()) harness.Sample {
	for range n/20 + 1 {
		f()
	}
	allocated := allocations()
	start := time.Now()
	for range n {
		f()
	}
	s := each(n*k, time.Since(start))
	s.Allocs = allocated(n * k)
	return s
}

// allocations begins to count what this process allocates. The function that it
// returns ends the count, and returns how many there were for each of n operations.
func allocations() func(n int) *float64 {
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	return func(n int) *float64 {
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		count := float64(after.Mallocs - before.Mallocs)
		if count < 20 {
			count = 0 // the runtime's own
		}
		per := count / float64(n)
		if per < 0.001 {
			per = 0
		}
		return &per
	}
}

// laps is into how many parts round trips are cut, of which the median counts.
const laps = 40

// roundTrips measures round trips: their mean without a clock between them, as
// the median of several laps, then percentiles of single ones.
func roundTrips(rounds int, trip func() error) (harness.Sample, error) {
	for range rounds / 10 {
		if err := trip(); err != nil {
			return harness.Sample{}, err
		}
	}
	allocated := allocations()
	means := make([]float64, laps)
	for lap := range means {
		start := time.Now()
		for range rounds / laps {
			if err := trip(); err != nil {
				return harness.Sample{}, err
			}
		}
		means[lap] = each(rounds/laps, time.Since(start)).Value
	}
	allocs := allocated(rounds / laps * laps)
	times := make([]time.Duration, rounds)
	for i := range times {
		start := time.Now()
		if err := trip(); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(means)
	s := timed(times)
	s.Value, s.Allocs = means[laps/2], allocs
	return s, nil
}

// tripsOf returns how many round trips roundTrips makes in all.
func tripsOf(rounds int) int { return rounds/10 + rounds/laps*laps + rounds }

// timed returns the median and percentiles of n times.
func timed(times []time.Duration) harness.Sample {
	slices.Sort(times)
	at := func(per1000 int) float64 { return float64(times[(len(times)*per1000+999)/1000-1].Nanoseconds()) }
	return harness.Sample{Value: at(500), P50: at(500), P99: at(990), P999: at(999)}
}
