package pool_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// TestRandomKills kills workers at random moments while tasks of all kinds run:
// every task ends once, in its result or in a *WorkerDiedError, and the pool works
// on. With retries, no task is lost.
func TestRandomKills(t *testing.T) {
	for name, opts := range map[string]pool.Options{
		"no retries": {Workers: 3},
		"retries":    {Workers: 3, Retries: 1 << 20},
		"chunks":     {Workers: 3, Chunk: 7},
		"fresh ones": {Workers: 3, TasksPerWorker: 20, Retries: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := deadline(t)
			p := mustNew(t, &opts)
			stop := make(chan struct{})
			var killer sync.WaitGroup
			killer.Go(func() { killAtRandom(p, stop) })
			for round := range 6 {
				in := make([]int, 300)
				for i := range in {
					in[i] = 2 * (i + round)
				}
				seen := 0
				for x, err := range halve.Stream(ctx, p, func(yield func(int) bool) {
					for _, n := range in {
						if !yield(n) {
							return
						}
					}
				}) {
					var died *pool.WorkerDiedError
					switch {
					case err == nil && x == in[seen]/2:
					case errors.As(err, &died) && opts.Retries == 0:
					default:
						t.Fatalf("element %d: %d, %v", seen, x, err)
					}
					seen++
				}
				if seen != len(in) {
					t.Fatalf("%d results of %d", seen, len(in))
				}
				out, err := square.Map(ctx, p, in)
				var died *pool.WorkerDiedError
				if err != nil && (opts.Retries > 0 || !errors.As(err, &died)) {
					t.Fatal(err)
				}
				for i, x := range out {
					if x != in[i]*in[i] && (err == nil || x != 0) {
						t.Fatalf("square of %d: %d, %v", in[i], x, err)
					}
				}
			}
			close(stop)
			killer.Wait()
			for { // one that was killed just now may be the task's
				x, err := square.Call(ctx, p, 9)
				if err == nil && x == 81 {
					break
				}
				if !errors.As(err, new(*pool.WorkerDiedError)) {
					t.Fatal(x, err)
				}
			}
		})
	}
}

// killAtRandom kills workers, at whatever they are, but not so many that nothing gets
// done where it takes long to start one.
func killAtRandom(p *pool.Pool, stop <-chan struct{}) {
	for kills := uint64(0); ; {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
		}
		if all := p.Workers(); len(all) > 0 && kills < 10+p.Heard()/5 {
			_ = all[rand.IntN(len(all))].Kill()
			kills++
		}
	}
}

// TestEachTaskRunsOnce counts how often tasks are begun while workers are killed:
// what was finished is not run again, also if its result was not sent yet.
func TestEachTaskRunsOnce(t *testing.T) {
	ctx := deadline(t)
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	for round := range 10 {
		arrived, err := value.CreateAtomic(ctx, seg, "arrived"+string(rune('a'+round)), int64(0))
		if err != nil {
			t.Fatal(err)
		}
		p := mustNew(t, &pool.Options{Workers: 2, Chunk: 50})
		// One of the workers dies in the middle of its chunk.
		in := make([]meeting, 100)
		for i := range in {
			in[i] = meeting{Number: i, Arrived: arrived, Kill: 20 + round}
		}
		died := 0
		for x, err := range meet.StreamUnordered(ctx, p, func(yield func(meeting) bool) {
			for _, a := range in {
				if !yield(a) {
					return
				}
			}
		}) {
			switch {
			case errors.As(err, new(*pool.WorkerDiedError)):
				died++
			case err != nil:
				t.Fatal(x, err)
			}
		}
		if died != 1 || arrived.Load() != int64(len(in)) {
			t.Fatalf("%d tasks died, %d were begun; want 1 of %d", died, arrived.Load(), len(in))
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
