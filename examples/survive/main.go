// Survive kills a child process that holds a mutex in the middle of a change, a
// semaphore's permits, the only slot of a queue and a message that it has not
// acknowledged. The parent, which waits for all four, goes on with them, and says
// after what time it could.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// state is all that parent and child share.
type state struct {
	Accounts *array.Array[int64] // two; together they always have 100, while nobody holds Transfer
	Transfer *lock.Mutex
	Permits  *semaphore.Semaphore
	Jobs     *queue.Queue[string]
	Results  *queue.Queue[[32]byte]
	Held     *value.Atomic[int32] // 1 once the child has everything
}

var victim = process.Func("victim", func(ctx context.Context, s state) error {
	if err := s.Transfer.Lock(ctx); err != nil {
		return err
	}
	s.Accounts.Set(0, s.Accounts.At(0)-30) // and would now add it to the other one
	if err := s.Permits.Acquire(ctx, 2); err != nil {
		return err
	}
	if _, err := s.Jobs.Receive(ctx); err != nil { // never acknowledged
		return err
	}
	slot, err := s.Results.Reserve(ctx) // never published
	if err != nil {
		return err
	}
	copy(slot.Value()[:], "half a resu")
	s.Held.Store(1)
	<-ctx.Done()
	return errors.New("somebody stopped the victim")
})

func main() {
	process.Main()
	kills := flag.Int("kills", 1, "how many children to kill; of several the median times are printed, too")
	flag.Parse()
	if err := run(context.Background(), *kills); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, kills int) error {
	times := map[string][]time.Duration{}
	for i := range kills {
		out := io.Discard
		if i == 0 {
			out = os.Stdout
		}
		if err := survive(ctx, out, times); err != nil {
			return err
		}
	}
	if kills < 2 {
		return nil
	}
	fmt.Println("medians of", kills, "kills:")
	for _, what := range []string{"mutex", "semaphore", "message", "slot"} {
		slices.Sort(times[what])
		fmt.Println(what, times[what][kills/2].Round(time.Microsecond))
	}
	return nil
}

// survive kills one child, tells out about it, and adds to times how long each
// thing took to recover.
func survive(ctx context.Context, out io.Writer, times map[string][]time.Duration) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	s, err := create(ctx, seg)
	if err != nil {
		return err
	}
	if err := s.Jobs.Put(ctx, "paint the boat"); err != nil {
		return err
	}
	child, err := victim.Start(ctx, s)
	if err != nil {
		return err
	}
	// It may die before its time, as any process may: then there is no more to wait for.
	alive, dead := context.WithCancelCause(ctx)
	go func() { dead(child.Wait(ctx)) }()
	if _, err := s.Held.Wait(alive, func(x int32) bool { return x == 1 }); err != nil {
		return context.Cause(alive)
	}
	fmt.Fprintln(out, "the child holds the mutex, 2 permits, the only slot for results, and a job")
	fmt.Fprintln(out, "accounts:", s.Accounts.View(), "permits free:", s.Permits.Available(), "jobs:", s.Jobs.Len())
	recovered := recoverAll(ctx, s)
	if err := allWait(alive, seg, len(recovered)); err != nil {
		return err
	}
	fmt.Fprintln(out, "kill -9")
	killed := time.Now()
	if err := child.Kill(); err != nil {
		return err
	}
	for _, c := range recovered {
		r := <-c
		if r.err != nil {
			return r.err
		}
		took := r.at.Sub(killed)
		times[r.what] = append(times[r.what], took)
		fmt.Fprintf(out, "%s: %s, %v after the kill\n", r.what, r.text, took.Round(time.Microsecond))
	}
	err = child.Wait(ctx)
	exit, ok := errors.AsType[*process.ExitError](err)
	if !ok {
		return fmt.Errorf("the child should have been killed: %w", err)
	}
	fmt.Fprintln(out, "the child was", exit.Signal)
	return seg.Check()
}

// create makes what parent and child share.
func create(ctx context.Context, seg *shm.Segment) (s state, err error) {
	var errs [6]error
	s.Accounts, errs[0] = array.Create[int64](ctx, seg, "accounts", array.Spec{Len: 2})
	s.Transfer, errs[1] = lock.CreateMutex(ctx, seg, "transfer", lock.Spec{})
	s.Permits, errs[2] = semaphore.Create(ctx, seg, "permits", semaphore.Spec{Permits: 3})
	s.Jobs, errs[3] = queue.Create[string](ctx, seg, "jobs", queue.Spec{})
	s.Results, errs[4] = queue.Create[[32]byte](ctx, seg, "results", queue.Spec{Cap: 1})
	s.Held, errs[5] = value.CreateAtomic[int32](ctx, seg, "held", 0)
	if err := errors.Join(errs[:]...); err != nil {
		return state{}, err
	}
	s.Accounts.CopyIn(0, []int64{70, 30})
	return s, nil
}

// recovery is what became of one thing that the child held.
type recovery struct {
	what, text string
	at         time.Time // when this process had it
	err        error
}

// recoverAll begins to take all that the child holds.
func recoverAll(ctx context.Context, s state) []chan recovery {
	tries := []func(context.Context, state) recovery{takeMutex, takePermits, takeJob, takeSlot}
	recovered := make([]chan recovery, len(tries))
	for i, try := range tries {
		recovered[i] = make(chan recovery, 1)
		go func() { recovered[i] <- try(ctx, s) }()
	}
	return recovered
}

// allWait returns when n goroutines sleep on objects of seg.
func allWait(ctx context.Context, seg *shm.Segment, n int) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		holds, err := seg.Holds()
		if err != nil {
			return err
		}
		waiting := 0
		for _, h := range holds {
			if h.Waiting {
				waiting += h.Count
			}
		}
		if waiting >= n {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// takeMutex locks the mutex, which first repairs what its owner left half done.
func takeMutex(ctx context.Context, s state) (r recovery) {
	s.Transfer.Repair = func() error {
		s.Accounts.Set(0, 100-s.Accounts.At(1)) // the child had taken, but not yet given
		return nil
	}
	r.err = s.Transfer.Do(ctx, func() error {
		r.at = time.Now()
		r.text = fmt.Sprintf("locked, accounts repaired to %v", s.Accounts.View())
		return nil
	})
	r.what = "mutex"
	return r
}

func takePermits(ctx context.Context, s state) (r recovery) {
	r.err = s.Permits.Do(ctx, 3, func() error {
		r.at = time.Now()
		return nil
	})
	r.what, r.text = "semaphore", "all 3 permits acquired"
	return r
}

func takeJob(ctx context.Context, s state) recovery {
	d, err := s.Jobs.Receive(ctx)
	if err != nil {
		return recovery{err: err}
	}
	at := time.Now()
	text := fmt.Sprintf("%q is delivered again, attempt %d", *d.Value(), d.Attempt())
	return recovery{what: "message", text: text, at: at, err: d.Ack()}
}

func takeSlot(ctx context.Context, s state) recovery {
	result := [32]byte{}
	copy(result[:], "whole")
	if err := s.Results.Put(ctx, result); err != nil {
		return recovery{err: err}
	}
	at := time.Now()
	got, err := s.Results.Get(ctx)
	if err == nil && got != result {
		err = fmt.Errorf("the first result is %q", got)
	}
	return recovery{what: "slot", text: "free again, and holds a new result", at: at, err: err}
}
