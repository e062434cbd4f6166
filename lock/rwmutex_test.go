package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

func createRW(tb testing.TB, seg *shm.Segment, spec lock.Spec) *lock.RWMutex {
	tb.Helper()
	m, err := lock.CreateRWMutex(tb.Context(), seg, "rw", spec)
	want(tb, "CreateRWMutex", err, nil)
	return m
}

type rwArgs struct {
	Lock   *lock.RWMutex
	Count  *value.Atomic[int64]
	Sums   *array.Array[int64]
	Rounds int
}

var (
	// rwReads holds the lock for reading until it is told to stop.
	rwReads = process.Func("lock-rw-reads", func(ctx context.Context, a rwArgs) error {
		return a.Lock.RDo(ctx, func() error { a.Count.Add(1); <-ctx.Done(); return nil })
	})
	// rwWrites holds the lock for writing until it is told to stop.
	rwWrites = process.Func("lock-rw-writes", func(ctx context.Context, a rwArgs) error {
		return a.Lock.Do(ctx, func() error { a.Count.Add(1); <-ctx.Done(); return nil })
	})
	// rwMixes writes and reads sums in plain memory.
	rwMixes = process.Func("lock-rw-mixes", func(ctx context.Context, a rwArgs) error {
		sums := a.Sums.View()
		for i := range a.Rounds {
			if i%4 == 0 {
				err := a.Lock.Do(ctx, func() error { sums[0]++; sums[1]--; return nil })
				if err != nil {
					return err
				}
			}
			err := a.Lock.RDo(ctx, func() error {
				if sums[0]+sums[1] != 0 {
					return fmt.Errorf("%d and %d: %w", sums[0], sums[1], errStep)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	// rwHammers reads and writes until it is killed.
	rwHammers = process.Func("lock-rw-hammers", func(ctx context.Context, a rwArgs) error {
		for ctx.Err() == nil {
			a.Count.Add(1)
			for _, do := range []func(context.Context, func() error) error{a.Lock.Do, a.Lock.RDo} {
				if err := do(ctx, func() error { return nil }); err != nil && !errors.Is(err, lock.ErrPoisoned) {
					return err
				}
			}
		}
		return nil
	})
)

func startRW(t *testing.T, f *process.Function[rwArgs], a rwArgs) *process.Child {
	t.Helper()
	child, err := f.Start(t.Context(), a)
	want(t, "Start", err, nil)
	return child
}

func TestRWMutexOfProcesses(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	a := rwArgs{Lock: createRW(t, seg, lock.Spec{}), Count: createCount(t, seg, "n")}
	readers := []*process.Child{startRW(t, rwReads, a), startRW(t, rwReads, a)}
	reaches(t, a.Count, 2)
	want(t, "TryRLock", a.Lock.TryRLock(), nil)
	want(t, "RUnlock", a.Lock.RUnlock(), nil)
	want(t, "TryLock", a.Lock.TryLock(), lock.ErrLocked)
	want(t, "RUnlock", a.Lock.RUnlock(), lock.ErrNotOwner)
	written := async(func() error { return a.Lock.Lock(t.Context()) })
	until(t, "the writer waits", func() bool { return waiting(t, seg, 1) })
	want(t, "TryRLock behind it", a.Lock.TryRLock(), lock.ErrLocked)
	holds, err := seg.Holds()
	want(t, "Holds", err, nil)
	reads := 0
	for _, h := range holds {
		if h.Kind == "read lock" {
			reads += h.Count
		}
	}
	if reads != 2 {
		t.Errorf("held by %v", holds)
	}
	for _, child := range readers {
		shmtest.Kill(t, child)
	}
	want(t, "Lock", await(t, "the writer", written), nil)
	want(t, "Unlock", a.Lock.Unlock(), nil)
}

// TestRWMutexWriterIsKilled meets the death by poison, by Repair and by release.
func TestRWMutexWriterIsKilled(t *testing.T) {
	for name, spec := range map[string]lock.Spec{"poison": {}, "release": {OnDeath: lock.Release}} {
		t.Run(name, func(t *testing.T) {
			seg := shmtest.Segment(t, shm.Spec{})
			m := createRW(t, seg, spec)
			a := rwArgs{Lock: m, Count: createCount(t, seg, "n")}
			die := func() (reader, writer <-chan error) {
				before := a.Count.Load()
				child := startRW(t, rwWrites, a)
				reaches(t, a.Count, before+1)
				reader = async(func() error { return errors.Join(m.RLock(t.Context()), m.RUnlock()) })
				writer = async(func() error { return errors.Join(m.Lock(t.Context()), m.Unlock()) })
				until(t, "both wait", func() bool { return waiting(t, seg, 1) })
				shmtest.Kill(t, child)
				return reader, writer
			}
			reader, writer := die()
			if spec.OnDeath == lock.Release {
				want(t, "reader", await(t, "the reader", reader), nil)
				want(t, "writer", await(t, "the writer", writer), nil)
				return
			}
			want(t, "reader", await(t, "the reader", reader), lock.ErrPoisoned)
			want(t, "writer", await(t, "the writer", writer), lock.ErrPoisoned)
			want(t, "TryRLock", m.TryRLock(), lock.ErrPoisoned)
			want(t, "RDo", m.RDo(t.Context(), func() error { t.Error("called"); return nil }), lock.ErrPoisoned)
			want(t, "Recover", m.Recover(t.Context(), func() error { return nil }), nil)
			repaired := 0
			m.Repair = func() error { repaired++; return nil }
			reader, writer = die()
			want(t, "reader", await(t, "the reader", reader), nil)
			want(t, "writer", await(t, "the writer", writer), nil)
			if repaired != 1 {
				t.Errorf("repaired %d times", repaired)
			}
			want(t, "TryRLock", m.TryRLock(), nil)
			want(t, "RUnlock", m.RUnlock(), nil)
		})
	}
}

func TestRWMutexSums(t *testing.T) {
	rounds := 4000
	if testing.Short() || race.Enabled {
		rounds = 400
	}
	seg := shmtest.Segment(t, shm.Spec{})
	sums, err := array.Create[int64](t.Context(), seg, "sums", array.Spec{Len: 2})
	want(t, "array.Create", err, nil)
	a := rwArgs{Lock: createRW(t, seg, lock.Spec{}), Count: createCount(t, seg, "n"), Sums: sums, Rounds: rounds}
	var children []*process.Child
	for range 3 {
		children = append(children, startRW(t, rwMixes, a))
	}
	want(t, "Wait", process.Wait(t.Context(), children...), nil)
	if n := sums.At(0); n != int64(3*rounds/4) {
		t.Errorf("%d writes of %d", n, 3*rounds/4)
	}
}

// TestRWMutexKillsAnywhere kills readers and writers while this process reads and
// writes.
func TestRWMutexKillsAnywhere(t *testing.T) {
	kills := 25
	if testing.Short() || race.Enabled {
		kills = 5
	}
	seg := shmtest.Segment(t, shm.Spec{})
	m := createRW(t, seg, lock.Spec{})
	m.Repair = func() error { return nil }
	a := rwArgs{Lock: m, Count: createCount(t, seg, "n")}
	for i := range kills {
		victim := startRW(t, rwHammers, a)
		reaches(t, a.Count, a.Count.Load()+int64(5+i*7%100))
		done := make(chan struct{})
		mine := async(func() error {
			for {
				err := errors.Join(m.Do(t.Context(), func() error { return nil }), m.RDo(t.Context(), func() error { return nil }))
				select {
				case <-done:
					return err
				default:
				}
				if err != nil {
					return err
				}
			}
		})
		shmtest.Kill(t, victim)
		close(done)
		want(t, "who goes on", await(t, "who goes on", mine), nil)
	}
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}

func TestRWMutexUse(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		m := createRW(t, seg, lock.Spec{})
		text, err := m.MarshalText()
		want(t, "MarshalText", err, nil)
		var other lock.RWMutex
		if seg.Name() != "" && len(text) > 0 {
			_ = other.UnmarshalText(text)
		}
		want(t, "RLock", m.RLock(t.Context()), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		want(t, "Lock", m.Lock(ctx), context.DeadlineExceeded)
		want(t, "RUnlock", m.RUnlock(), nil)
		failed := errors.New("planted")
		want(t, "Do", m.Do(t.Context(), func() error { return failed }), failed)
		want(t, "RDo", m.RDo(t.Context(), func() error { return failed }), failed)
		func() {
			defer func() { _ = recover() }()
			_ = m.Do(t.Context(), func() error { panic("planted") })
		}()
		want(t, "TryLock", m.TryLock(), nil)
		want(t, "Unlock", m.Unlock(), nil)
		if race.Enabled {
			return
		}
		if n := stage.Allocs(100, func() {
			_ = m.RLock(context.Background())
			_ = m.RUnlock()
			_ = m.TryRLock()
			_ = m.RUnlock()
			_ = m.Lock(context.Background())
			_ = m.Unlock()
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestRWMutexClosed(t *testing.T) {
	seg := heap(t)
	m := createRW(t, seg, lock.Spec{})
	staying, err := lock.OpenRWMutex(t.Context(), peer(t, seg), "rw")
	want(t, "OpenRWMutex", err, nil)
	want(t, "RLock", m.RLock(t.Context()), nil)
	writer := async(func() error { return staying.Lock(t.Context()) })
	until(t, "it waits", func() bool { return waiting(t, staying.Segment(), 1) })
	want(t, "Close", seg.Close(), nil)
	want(t, "Lock", await(t, "the writer", writer), nil)
	want(t, "Unlock", staying.Unlock(), nil)
	want(t, "RUnlock", m.RUnlock(), fs.ErrClosed)
	// One that closes in its own section.
	last, err := lock.OpenRWMutex(t.Context(), peer(t, staying.Segment()), "rw")
	want(t, "OpenRWMutex", err, nil)
	want(t, "Do", last.Do(t.Context(), last.Segment().Close), nil)
	want(t, "RLock", staying.RLock(t.Context()), lock.ErrPoisoned)
	want(t, "Recover", staying.Recover(t.Context(), func() error { return nil }), nil)
	want(t, "RDo", staying.RDo(t.Context(), func() error { return nil }), nil)
}

func BenchmarkRWMutex(b *testing.B) {
	m := createRW(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
	ctx := context.Background()
	b.Run("RLock", func(b *testing.B) {
		for b.Loop() {
			_ = m.RLock(ctx)
			_ = m.RUnlock()
		}
	})
	b.Run("Lock", func(b *testing.B) {
		for b.Loop() {
			_ = m.Lock(ctx)
			_ = m.Unlock()
		}
	})
}
