package measure

import (
	"context"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/pool"
)

// A map has many trivial tasks, and one takes no longer than an interruption may:
// so several are made, and the median counts. Python does as many.
const (
	poolTasks = 10_000
	poolMaps  = 9
)

func poolJobs() map[string]Job {
	return map[string]Job{"shoal/pool/map": poolMap, "shoal/pool/call": poolCall}
}

var square = pool.Func("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

// openPool returns a pool of two that has worked before.
func openPool(ctx context.Context, chunk int) (*pool.Pool, error) {
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Chunk: chunk})
	if err != nil {
		return nil, err
	}
	_, err = square.Map(ctx, p, make([]int, 100))
	return p, err
}

// poolMap measures the time of each of many trivial tasks.
func poolMap(ctx context.Context, at *Place) (harness.Sample, error) {
	p, err := openPool(ctx, at.Int("chunk"))
	if err != nil {
		return harness.Sample{}, err
	}
	in := make([]int, poolTasks)
	for i := range in {
		in[i] = i
	}
	times := make([]time.Duration, poolMaps)
	for i := range times {
		start := time.Now()
		if _, err := square.Map(ctx, p, in); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	return harness.Sample{Value: timed(times).Value / poolTasks}, p.Close()
}

// poolCall measures the round trip of one task.
func poolCall(ctx context.Context, _ *Place) (harness.Sample, error) {
	p, err := openPool(ctx, 0)
	if err != nil {
		return harness.Sample{}, err
	}
	times := make([]time.Duration, 1000)
	for i := range times {
		start := time.Now()
		if _, err := square.Call(ctx, p, 3); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	return timed(times), p.Close()
}
