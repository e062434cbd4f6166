package scribble_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// sleeper has a goroutine asleep in every call that can wait.
type sleeper struct {
	seg   *shm.Segment
	own   string // what its objects' names begin with
	calls sync.WaitGroup
	after []step // what fails once the segment is lost, though it does not wait
	quiet []func()
}

// sleepOn is the role of a process that waits for all that never comes, and says
// how it ends. Its argument is the directory.
func sleepOn(args []string) {
	stopped := untilStopped()
	ctx := context.Background()
	seg, err := shm.Open(ctx, segmentName, &shm.Options{Dir: args[0]})
	if err == nil {
		s := &sleeper{seg: seg, own: fmt.Sprint("of", os.Getpid(), "/")}
		err = errors.Join(s.values(ctx), s.locks(ctx), s.queues(ctx))
		s.segment()
		time.Sleep(300 * time.Millisecond) // until all sleep in the kernel; those that do not are tried all the same
		say("asleep")
		s.calls.Wait()
		s.afterwards(ctx)
		say("awake")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-stopped
	if err := seg.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "close:", err)
		os.Exit(1)
	}
}

// wait has a goroutine in a call that ends only when the segment is lost. If the
// call looks at the memory just then, and not asleep, it may find zeros there before
// the loss is known to the process.
func (s *sleeper) wait(name string, f func() error) {
	s.calls.Go(func() {
		err := f()
		if _, gone := s.seg.Stat(); lost(gone) == "" && lost(err) != "" && (err == nil || errors.Is(err, shm.ErrCorrupt)) {
			say("found: %s: %v", name, err)
			return
		}
		s.judge(name, err)
	})
}

func (s *sleeper) judge(name string, err error) {
	if wrong := lost(err); wrong != "" {
		say("wrong: %s %s", name, wrong)
	} else {
		say("ended: %s", name)
	}
}

func never[T any](T) bool { return false }

func (s *sleeper) values(ctx context.Context) error {
	v, err1 := value.Create(ctx, s.seg, s.own+"value", pair{})
	a, err2 := value.CreateAtomic[int64](ctx, s.seg, s.own+"atomic", 1)
	r, err3 := array.Create[int64](ctx, s.seg, s.own+"array", array.Spec{Len: 3})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.wait("value.Wait", func() error { return drop(v.Wait(ctx, never)) })
	s.wait("value.Watch", func() error {
		for _, err := range v.Watch(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.wait("atomic.Wait", func() error { return drop(a.Wait(ctx, never)) })
	locked, free := make(chan struct{}), make(chan struct{})
	s.wait("value.Update", func() error {
		return v.Update(ctx, func(*pair) error { close(locked); <-free; return nil })
	})
	<-locked
	s.wait("value.Store", func() error {
		defer close(free)
		return v.Store(ctx, pair{})
	})
	if err := r.Mutex().Lock(ctx); err != nil {
		return err
	}
	s.wait("array.Do", func() error { return r.Do(ctx, func([]int64) error { return nil }) })
	s.after = append(s.after, step{"value.Store later", func(ctx context.Context) error { return v.Store(ctx, pair{}) }})
	s.quiet = append(s.quiet, func() { v.Load() }, func() { a.Load() }, func() { a.Add(1) }, func() { r.Set(1, r.At(2)) },
		func() { r.View()[1]++ }, func() { r.CopyIn(0, make([]int64, 3)) })
	return nil
}

func (s *sleeper) locks(ctx context.Context) error {
	m, err1 := lock.CreateMutex(ctx, s.seg, s.own+"mutex", lock.Spec{})
	p, err2 := semaphore.Create(ctx, s.seg, s.own+"semaphore", semaphore.Spec{Permits: 2})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := errors.Join(m.Lock(ctx), p.Acquire(ctx, 2)); err != nil {
		return err
	}
	s.wait("mutex.Lock", func() error { return m.Lock(ctx) })
	s.wait("mutex.Lock, with an end", func() error {
		long, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		return m.Lock(long)
	})
	s.wait("mutex.Do", func() error { return m.Do(ctx, func() error { return nil }) })
	s.wait("semaphore.Acquire", func() error { return p.Acquire(ctx, 1) })
	if err := s.signals(ctx); err != nil {
		return err
	}
	s.after = append(s.after,
		step{"mutex.TryLock", func(context.Context) error { return m.TryLock() }},
		step{"mutex.Unlock", func(context.Context) error { return m.Unlock() }},
		step{"semaphore.TryAcquire", func(context.Context) error { return p.TryAcquire(1) }},
		step{"semaphore.Release", func(context.Context) error { return p.Release(1) }})
	s.quiet = append(s.quiet, func() { m.Holder() }, func() { p.Available() }, func() { p.Held() })
	return nil
}

func (s *sleeper) signals(ctx context.Context) error {
	e, err1 := lock.CreateEvent(ctx, s.seg, s.own+"event")
	b, err2 := lock.CreateBarrier(ctx, s.seg, s.own+"barrier", lock.BarrierSpec{Parties: 2})
	m, err3 := lock.CreateMutex(ctx, s.seg, s.own+"cond/mutex", lock.Spec{})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	c, err := lock.CreateCond(ctx, m, s.own+"cond")
	if err != nil {
		return err
	}
	w, err := lock.CreateRWMutex(ctx, s.seg, s.own+"rwmutex", lock.Spec{})
	if err == nil {
		err = w.Lock(ctx)
	}
	if err != nil {
		return err
	}
	s.wait("rwmutex.Lock", func() error { return w.Lock(ctx) })
	s.wait("rwmutex.RLock", func() error { return w.RLock(ctx) })
	s.wait("event.Wait", func() error { return e.Wait(ctx) })
	s.wait("barrier.Wait", func() error { return drop(b.Wait(ctx)) })
	s.wait("cond.Wait", func() error {
		if err := m.Lock(ctx); err != nil {
			return err
		}
		return c.Wait(ctx)
	})
	s.after = append(s.after, step{"cond.Signal", func(context.Context) error { return c.Signal() }})
	s.quiet = append(s.quiet, e.Set, e.Clear, func() { e.IsSet() }, b.Abort, b.Reset, func() { b.Waiting() }, func() { b.Broken() })
	return nil
}

func (s *sleeper) queues(ctx context.Context) error {
	small := queue.Spec{Cap: 2, SlotSize: 32, MaxSize: 64, Heap: 512}
	empty, err1 := queue.Create[int64](ctx, s.seg, s.own+"empty", small)
	full, err2 := queue.Create[int64](ctx, s.seg, s.own+"full", small)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	d, err1 := queue.Create[string](ctx, s.seg, s.own+"text", small)
	if err := errors.Join(err1, full.Put(ctx, 1), full.Put(ctx, 2), d.Put(ctx, "x")); err != nil {
		return err
	}
	lent, err := d.Receive(ctx)
	if err != nil {
		return err
	}
	s.wait("queue.Get", func() error { return drop(empty.Get(ctx)) })
	s.wait("queue.Receive", func() error { return drop(empty.Receive(ctx)) })
	s.wait("queue.All", func() error {
		for _, err := range empty.All(ctx) {
			return err
		}
		return nil
	})
	s.wait("queue.Put", func() error { return full.Put(ctx, 3) })
	s.wait("queue.Reserve", func() error { return drop(full.Reserve(ctx)) })
	s.wait("queue.Join", func() error { return d.Join(ctx) })
	s.wait("queue.Ready", func() error {
		for range empty.Ready() {
			continue
		}
		return empty.TryPut(1)
	})
	s.after = append(s.after,
		step{"queue.TryGet", func(context.Context) error { return drop(full.TryGet()) }},
		step{"queue.Shutdown", func(context.Context) error { return full.Shutdown() }},
		step{"delivery.Ack", func(context.Context) error { return lent.Ack() }})
	s.quiet = append(s.quiet, func() { full.Len() }, func() { _ = *lent.Value() })
	return nil
}

func (s *sleeper) segment() {
	s.wait("Deaths", func() (err error) {
		for _, err = range s.seg.Deaths(context.Background()) {
			continue
		}
		return err
	})
	s.after = append(s.after, lookingSteps(s.seg)...)
	s.after = append(s.after,
		step{"create", func(ctx context.Context) error { return drop(lock.CreateMutex(ctx, s.seg, s.own+"new", lock.Spec{})) }},
		step{"open", func(ctx context.Context) error { return drop(lock.OpenMutex(ctx, s.seg, s.own+"mutex")) }},
		step{"remove", func(ctx context.Context) error { return s.seg.Remove(ctx, s.own+"mutex") }},
		step{"text", func(context.Context) error { return drop(s.seg.MarshalText()) }})
}

// afterwards does what does not wait: with an error result it fails, without one
// it goes on.
func (s *sleeper) afterwards(ctx context.Context) {
	for _, x := range s.after {
		s.judge(x.name, x.do(ctx))
	}
	for _, f := range s.quiet {
		f()
	}
}
