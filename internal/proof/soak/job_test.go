//go:build linux

package soak

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/shm"
)

// job is what one pool has to do.
type job struct {
	*pooler
	park    *park
	workers *pool.Pool
	retries int
	runs    *array.Atomic[int64]
	next    int // number of the next task
}

// run gives the pool some tasks in one of the ways that there are, and looks what
// becomes of each.
func (j *job) run(ctx context.Context) error {
	first := j.next
	n := min(1+j.r.IntN(300), mostTasks-first)
	how := j.r.IntN(5)
	if how > 2 {
		n = min(n, 20)
	}
	j.next += n
	in := make([]task, n)
	for i := range in {
		in[i] = task{Number: first + i, Runs: j.runs, Permits: j.park.permits}
		if j.fault == faultRepeats {
			in[i].More = 1
		}
	}
	switch how {
	case 0:
		return j.mapAll(ctx, in)
	case 1:
		return j.stream(ctx, in)
	case 2:
		return j.streamUnordered(ctx, in)
	case 3:
		return j.call(ctx, in)
	}
	return j.future(ctx, in)
}

func (j *job) mapAll(ctx context.Context, in []task) error {
	out, failure := runsTask.Map(ctx, j.workers, in)
	if failure == nil && len(out) != len(in) {
		return wrong("%d results of %d tasks", len(out), len(in))
	}
	for i, x := range out {
		if failure != nil && x == 0 {
			continue
		}
		if err := j.judge(ctx, in[i], x, nil); err != nil {
			return err
		}
	}
	return j.pass(ctx, failure)
}

func (j *job) stream(ctx context.Context, in []task) error {
	seen := 0
	var last error
	for x, err := range runsTask.Stream(ctx, j.workers, slices.Values(in)) {
		if ctx.Err() != nil {
			return ctx.Err() // it may be that of the stream, after any task
		}
		if seen == len(in) {
			return wrong("a result after the last of %d tasks: %d, %w", seen, x, err)
		}
		if err := j.judge(ctx, in[seen], x, err); err != nil {
			return err
		}
		seen++
		last = err
	}
	return j.complete(ctx, seen, in, last)
}

func (j *job) streamUnordered(ctx context.Context, in []task) error {
	seen := 0
	var last error
	missing := map[int]task{} // by what comes of them
	for _, a := range in {
		missing[answer(a.Number)] = a
	}
	for x, err := range runsTask.StreamUnordered(ctx, j.workers, slices.Values(in)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		last = err
		a, ok := missing[x]
		if err == nil && !ok {
			return wrong("the result %d came twice, or of no task", x)
		}
		if err != nil {
			err = j.pass(ctx, err)
		} else {
			err = j.judge(ctx, a, x, nil)
		}
		if err != nil {
			return err
		}
		delete(missing, x)
		seen++
	}
	return j.complete(ctx, seen, in, last)
}

// complete looks whether there was an outcome of each task. It may be that the pool
// has given up, for want of what a worker is started with: the stream ends then, and
// its last error is that of whatever the pool is given later.
func (j *job) complete(ctx context.Context, seen int, in []task, last error) error {
	if ctx.Err() != nil || seen == len(in) {
		return ctx.Err()
	}
	if last != nil {
		if _, err := runsTask.Call(ctx, j.workers, in[0]); errors.Is(err, last) || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return wrong("%d outcomes of %d tasks, the last of them: %v", seen, len(in), last)
}

// call calls all at once.
func (j *job) call(ctx context.Context, in []task) error {
	errs := make([]error, len(in))
	var all sync.WaitGroup
	for i, a := range in {
		all.Go(func() {
			x, err := runsTask.Call(ctx, j.workers, a)
			errs[i] = safely(func() error { return j.judge(ctx, a, x, err) })
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (j *job) future(ctx context.Context, in []task) error {
	list := make([]*pool.Future[int], len(in))
	for i, a := range in {
		list[i] = runsTask.Go(ctx, j.workers, a)
	}
	var errs []error
	for i, f := range list {
		if i%8 == 7 && f.Cancel() {
			if _, err := f.Get(ctx); !errors.Is(err, pool.ErrCanceled) && ctx.Err() == nil || j.runs.Load(in[i].Number) != 0 {
				errs = append(errs, wrong("task %d, which was dropped: %w", in[i].Number, err))
			}
			continue
		}
		x, err := f.Get(ctx)
		errs = append(errs, j.judge(ctx, in[i], x, err))
	}
	return errors.Join(errs...)
}

// judge says what is wrong with what became of a task.
func (j *job) judge(ctx context.Context, a task, x int, err error) error {
	runs := j.runs.Load(a.Number)
	switch {
	case runs > 1 && j.retries == 0:
		return wrong("task %d was run %d times", a.Number, runs)
	case err != nil:
		return j.pass(ctx, err)
	case x != answer(a.Number), runs == 0:
		return wrong("task %d was run %d times, and the result is %d", a.Number, runs, x)
	}
	return nil
}

// pass lets it pass that a task has failed, if it may.
func (j *job) pass(ctx context.Context, err error) error {
	var died *pool.WorkerDiedError
	switch {
	case err == nil, ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &died):
		if j.retries > 0 || died.Attempts != 1 {
			return wrong("with %d retries: %w", j.retries, err)
		}
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, shm.ErrNoSpace): // when the worker opens the segment
		return nil
	case errors.Is(err, fs.ErrClosed) && j.park.closing(): // before the task was sent
		return nil
	case j.hazard == descriptors:
		return nil
	}
	return wrong("a task: %w", err)
}
