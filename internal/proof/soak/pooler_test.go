//go:build linux

package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// pooler makes pools, gives them tasks, and kills and stops their workers meanwhile.
// The tasks use a segment of the round, in which the workers so become participants:
// none may be left of a process that is dead.
type pooler struct {
	parks []*park
	account
	r      *rand.Rand
	hazard hazard
	fault  string
}

// poolers says in which seats there is a pooler: workers are processes too, and
// there should not be too many.
func poolers(seat int) bool { return seat%4 == 0 }

// task is one element of a job.
type task struct {
	Number  int
	Runs    *array.Atomic[int64] // how often each task was run
	Permits *semaphore.Semaphore
	More    int64 // runs that nobody asked for
}

var runsTask = pool.Func("soak-task", func(ctx context.Context, a task) (int, error) {
	a.Runs.Add(a.Number, 1+a.More)
	if a.Number%4 == 0 {
		if err := a.Permits.Acquire(ctx, 1); err != nil {
			return 0, err
		}
		idle(a.Number)
		if err := a.Permits.Release(1); err != nil {
			return 0, err
		}
	}
	return answer(a.Number), nil
})

func answer(number int) int { return number*number + 1 }

// mostTasks is how many tasks a pool gets.
const mostTasks = 4096

// step makes a pool and ends it.
func (p *pooler) step(ctx context.Context) (err error) {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	runs, err := array.CreateAtomic[int64](ctx, seg, "runs", array.Spec{Len: mostTasks})
	if err != nil {
		return err
	}
	opts := pool.Options{Workers: 1 + p.r.IntN(2), Chunk: p.r.IntN(8)}
	if p.r.IntN(2) == 0 && p.fault != faultRepeats { // with retries it may happen
		opts.Retries = 1 << 20
	}
	if p.r.IntN(4) == 0 {
		opts.TasksPerWorker = 1 + p.r.IntN(100)
	}
	workers, err := pool.New(context.WithoutCancel(ctx), &opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workers.Close()) }()
	moment, cancel := context.WithTimeout(ctx, time.Duration(50+p.r.IntN(400))*time.Millisecond)
	defer cancel()
	var killer sync.WaitGroup
	defer killer.Wait()
	r := rand.New(rand.NewPCG(p.r.Uint64(), 3))
	killer.Go(func() { p.trouble(moment, workers, r) })
	j := &job{pooler: p, park: p.parks[p.r.IntN(len(p.parks))], workers: workers, retries: opts.Retries, runs: runs}
	for first := true; first || moment.Err() == nil && j.next < mostTasks; first = false {
		if err := j.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// trouble kills and stops workers until moment is over, so that then all that there
// is to do can be done.
func (p *pooler) trouble(moment context.Context, workers *pool.Pool, r *rand.Rand) {
	for rest(moment, time.Duration(r.IntN(60))*time.Millisecond) == nil {
		all := workers.Workers()
		if len(all) == 0 {
			continue
		}
		c := all[r.IntN(len(all))]
		if r.IntN(2) == 0 {
			_ = c.Kill() // what fails, here and below, is only that it has ended
			continue
		}
		p.set(stopped, int64(c.PID()))
		_ = c.Signal(syscall.SIGSTOP)
		_ = rest(moment, time.Duration(r.IntN(40))*time.Millisecond)
		_ = c.Signal(syscall.SIGCONT)
	}
}
