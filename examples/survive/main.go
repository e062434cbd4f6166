// Survive kills a child process that holds a mutex in the middle of a change, a
// semaphore's permits, the only slot of a queue and a message that it has not
// acknowledged. The parent goes on with all four, and says when it could.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
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
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
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
	if _, err := s.Held.Wait(ctx, func(x int32) bool { return x == 1 }); err != nil {
		return err
	}
	fmt.Println("the child holds the mutex, 2 permits, the only slot for results, and a job")
	fmt.Println("accounts:", s.Accounts.View(), "permits free:", s.Permits.Available(), "jobs:", s.Jobs.Len())
	fmt.Println("kill -9")
	killed := time.Now()
	if err := child.Kill(); err != nil {
		return err
	}
	if err := recoverAll(ctx, s, killed); err != nil {
		return err
	}
	var exit *process.ExitError
	if err := child.Wait(ctx); !errors.As(err, &exit) {
		return fmt.Errorf("the child should have been killed: %w", err)
	}
	fmt.Println("the child was", exit.Signal)
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

// recoverAll takes all that the child held, each as soon as it can be had.
func recoverAll(ctx context.Context, s state, killed time.Time) error {
	tries := []func() (string, error){
		func() (string, error) { return takeMutex(ctx, s) },
		func() (string, error) { return takePermits(ctx, s) },
		func() (string, error) { return takeJob(ctx, s) },
		func() (string, error) { return takeSlot(ctx, s) },
	}
	type outcome struct {
		text string
		at   time.Time
		err  error
	}
	outcomes := make([]chan outcome, len(tries))
	for i, try := range tries {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			text, err := try()
			outcomes[i] <- outcome{text, time.Now(), err}
		}()
	}
	for _, c := range outcomes {
		o := <-c
		if o.err != nil {
			return o.err
		}
		fmt.Printf("%s, %v after the kill\n", o.text, o.at.Sub(killed).Round(time.Microsecond))
	}
	return nil
}

// takeMutex locks the mutex, which first repairs what its owner left half done.
func takeMutex(ctx context.Context, s state) (string, error) {
	s.Transfer.Repair = func() error {
		s.Accounts.Set(0, 100-s.Accounts.At(1)) // the child had taken, but not yet given
		return nil
	}
	err := s.Transfer.Do(ctx, func() error { return nil })
	return fmt.Sprintf("mutex: locked, accounts repaired to %v", s.Accounts.View()), err
}

func takePermits(ctx context.Context, s state) (string, error) {
	err := s.Permits.Do(ctx, 3, func() error { return nil })
	return "semaphore: all 3 permits acquired", err
}

func takeJob(ctx context.Context, s state) (string, error) {
	d, err := s.Jobs.Receive(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("queue: job %q delivered again, attempt %d", *d.Value(), d.Attempt()), d.Ack()
}

func takeSlot(ctx context.Context, s state) (string, error) {
	result := [32]byte{}
	copy(result[:], "whole")
	if err := s.Results.Put(ctx, result); err != nil {
		return "", err
	}
	got, err := s.Results.Get(ctx)
	if err == nil && got != result {
		err = fmt.Errorf("the first result is %q", got)
	}
	return "queue: the slot that was claimed is free, and holds a new result", err
}
