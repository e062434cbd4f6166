package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/internal/vector"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// Conformance: RNM-01.
func TestVerbs(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		ctx := t.Context()
		_, err := lock.OpenMutex(ctx, seg, "m")
		want(t, "Open of none", err, fs.ErrNotExist)
		m := create(t, seg, lock.Spec{})
		if m.Name() != "m" || m.Segment() != seg || m.Spec().OnDeath != lock.Poison {
			t.Errorf("name %q, spec %+v", m.Name(), m.Spec())
		}
		_, err = lock.CreateMutex(ctx, seg, "m", lock.Spec{})
		want(t, "Create again", err, fs.ErrExist)
		for _, spec := range []lock.Spec{{}, {OnDeath: lock.Poison}} {
			_, err = lock.OpenOrCreateMutex(ctx, seg, "m", spec)
			want(t, "OpenOrCreate", err, nil)
		}
		_, err = lock.OpenOrCreateMutex(ctx, seg, "m", lock.Spec{OnDeath: lock.Release})
		var differs *shm.IncompatibleError
		if !errors.As(err, &differs) || differs.Field != "OnDeath" || differs.Have != "Poison" || differs.Want != "Release" {
			t.Errorf("OpenOrCreate with another spec: %v", err)
		}
		r, err := lock.OpenOrCreateMutex(ctx, seg, "r", lock.Spec{OnDeath: lock.Release})
		want(t, "OpenOrCreate", err, nil)
		if r.Spec().OnDeath != lock.Release {
			t.Errorf("spec %+v", r.Spec())
		}
		_, err = lock.CreateMutex(ctx, seg, "x", lock.Spec{OnDeath: 3})
		want(t, "impossible spec", err, fs.ErrInvalid)
		_, err = lock.CreateMutex(ctx, seg, "no name", lock.Spec{})
		want(t, "impossible name", err, fs.ErrInvalid)
		_, err = semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 1})
		want(t, "another kind", err, nil)
		_, err = lock.OpenMutex(ctx, seg, "s")
		want(t, "Open of another kind", err, shm.ErrIncompatible)
	})
}

// Conformance: LCK-01, LCK-02, LCK-09.
func TestLockAndUnlock(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		a := create(t, seg, lock.Spec{})
		b := open(t, seg) // one process: one owner, whatever the handle
		want(t, "Unlock", a.Unlock(), lock.ErrNotOwner)
		want(t, "Lock", a.Lock(t.Context()), nil)
		want(t, "TryLock", b.TryLock(), lock.ErrLocked)
		if p, held := b.Holder(); !held || !p.Alive || p.PID == 0 {
			t.Errorf("Holder: %+v %v", p, held)
		}
		second := async(func() error { return b.Lock(t.Context()) })
		until(t, "the second one waits", func() bool { return waiting(t, seg, 1) })
		want(t, "Unlock", a.Unlock(), nil)
		want(t, "Lock", await(t, "second", second), nil)
		want(t, "Unlock by another handle and goroutine", a.Unlock(), nil)
		if p, held := b.Holder(); held || p != (shm.Participant{}) {
			t.Errorf("Holder of a free one: %+v %v", p, held)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		want(t, "Lock with a done context", a.Lock(ctx), context.Canceled)
		want(t, "Do with a done context", a.Do(ctx, func() error { t.Error("ran"); return nil }), context.Canceled)
		want(t, "TryLock", a.TryLock(), nil)
		deadline, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		want(t, "Lock by the owner", a.Lock(deadline), context.DeadlineExceeded)
		want(t, "Unlock", a.Unlock(), nil)
	})
}

// Conformance: LCK-03.
func TestDo(t *testing.T) {
	m := create(t, heap(t), lock.Spec{})
	failure := errors.New("failure")
	want(t, "Do", m.Do(t.Context(), func() error {
		want(t, "TryLock inside", m.TryLock(), lock.ErrLocked)
		return failure
	}), failure)
	func() {
		defer func() {
			if recover() != failure { //nolint:errorlint // the panic's own value
				t.Error("the panic is lost")
			}
		}()
		_ = m.Do(t.Context(), func() error { panic(failure) })
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Do(t.Context(), func() error { runtime.Goexit(); return nil })
	}()
	<-done
	want(t, "TryLock after all that", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}

func TestZeroAndClosed(t *testing.T) {
	seg := heap(t)
	closed := create(t, seg, lock.Spec{})
	want(t, "Lock", closed.Lock(t.Context()), nil)
	second := async(func() error { return closed.Lock(t.Context()) })
	until(t, "the second one waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Close", seg.Close(), nil)
	want(t, "a waiting Lock", await(t, "second", second), fs.ErrClosed)
	if closed.Name() != "m" || closed.Spec().OnDeath != lock.Poison {
		t.Errorf("name %q and spec %+v after Close", closed.Name(), closed.Spec())
	}
	nothing := func() error { t.Error("ran"); return nil }
	for name, m := range map[string]*lock.Mutex{"zero": {}, "closed": closed} {
		for op, err := range map[string]error{
			"Lock":    m.Lock(t.Context()),
			"TryLock": m.TryLock(),
			"Unlock":  m.Unlock(),
			"Do":      m.Do(t.Context(), nothing),
			"Recover": m.Recover(t.Context(), nothing),
		} {
			want(t, op+" of a "+name+" one", err, fs.ErrClosed)
		}
		if p, held := m.Holder(); held || p != (shm.Participant{}) {
			t.Errorf("Holder of a %s one: %+v %v", name, p, held)
		}
		_, err := m.MarshalText()
		want(t, "MarshalText of a "+name+" one", err, fs.ErrClosed)
	}
	if zero := new(lock.Mutex); zero.Name() != "" || zero.Segment() != nil || zero.Spec() != (lock.Spec{}) {
		t.Error("a zero Mutex has a name, a segment or a spec")
	}
}

// TestCloseWhileHeld is the death of the owner for the others.
// Conformance: LCK-12.
func TestCloseWhileHeld(t *testing.T) {
	seg := heap(t)
	a, other := create(t, seg, lock.Spec{}), peer(t, seg)
	want(t, "Lock", open(t, other).Lock(t.Context()), nil)
	waits := async(func() error { return a.Lock(t.Context()) })
	until(t, "a waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Close", other.Close(), nil)
	want(t, "Lock", await(t, "a", waits), lock.ErrPoisoned)
	want(t, "Recover", a.Recover(t.Context(), func() error { return nil }), nil)
	want(t, "Lock", a.Lock(t.Context()), nil)
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	seg, err := shm.Create(t.Context(), "seg", shm.Spec{}, &shm.Options{Dir: dir})
	want(t, "Create", err, nil)
	defer func() { want(t, "Close", seg.Close(), nil) }()
	m := create(t, seg, lock.Spec{})
	want(t, "Lock", m.Lock(t.Context()), nil)
	ro, err := shm.Open(t.Context(), "seg", &shm.Options{Dir: dir, ReadOnly: true})
	want(t, "Open", err, nil)
	defer func() { want(t, "Close", ro.Close(), nil) }()
	r := open(t, ro)
	want(t, "Lock", r.Lock(t.Context()), fs.ErrPermission)
	want(t, "TryLock", r.TryLock(), fs.ErrPermission)
	want(t, "Unlock", r.Unlock(), fs.ErrPermission)
	want(t, "Recover", r.Recover(t.Context(), nil), fs.ErrPermission)
	if p, held := r.Holder(); !held || !p.Alive {
		t.Errorf("Holder: %+v %v", p, held)
	}
	want(t, "Unlock", m.Unlock(), nil)
}

// TestRepairOncePerDeath lets many lockers, with and without Repair, meet deaths.
func TestRepairOncePerDeath(t *testing.T) {
	seg := heap(t)
	create(t, seg, lock.Spec{})
	const deaths, lockers = 20, 4
	repairs, inside := 0, 0 // kept by the mutex alone
	var handles []*lock.Mutex
	for range lockers {
		m := open(t, peer(t, seg))
		m.Repair = func() error { repairs++; return nil }
		handles = append(handles, m)
	}
	for death := range deaths {
		victim := peer(t, seg)
		want(t, "Lock", open(t, victim).Lock(t.Context()), nil)
		var wg sync.WaitGroup
		for _, m := range handles {
			wg.Go(func() {
				err := m.Do(t.Context(), func() error { inside++; return nil })
				if err != nil {
					t.Error(err)
				}
			})
		}
		until(t, "somebody waits", func() bool { return waiting(t, seg, 1) })
		object.Inside().HeapKill(victim)
		wg.Wait()
		want(t, "TryLock", handles[0].TryLock(), nil)
		if repairs != death+1 || inside != lockers*(death+1) {
			t.Fatalf("%d repairs and %d sections after %d deaths", repairs, inside, death+1)
		}
		want(t, "Unlock", handles[0].Unlock(), nil)
	}
}

// Conformance: ROM-02.
func TestFailingRepair(t *testing.T) {
	seg := heap(t)
	m := create(t, seg, lock.Spec{})
	victim := peer(t, seg)
	want(t, "Lock", open(t, victim).Lock(t.Context()), nil)
	object.Inside().HeapKill(victim)
	failure := errors.New("failure")
	for op, f := range map[string]func() error{
		"Lock":    func() error { return m.Lock(t.Context()) },
		"TryLock": m.TryLock,
		"Do":      func() error { return m.Do(t.Context(), func() error { t.Error("ran"); return nil }) },
	} {
		m.Repair = nil
		want(t, op, f(), lock.ErrPoisoned)
		m.Repair = func() error { return failure }
		err := f()
		want(t, op, err, failure)
		want(t, op, err, lock.ErrPoisoned)
		want(t, "Unlock after "+op, m.Unlock(), lock.ErrNotOwner)
		m.Repair = func() error { panic(failure) }
		func() {
			defer func() {
				if recover() != failure { //nolint:errorlint // the panic's own value
					t.Errorf("%s: the panic is lost", op)
				}
			}()
			_ = f()
		}()
	}
	want(t, "Recover", m.Recover(t.Context(), func() error { return failure }), failure)
	m.Repair = nil
	want(t, "TryLock", m.TryLock(), lock.ErrPoisoned)
	m.Repair = func() error { return nil }
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}

func TestHolderOfAPoisonedOne(t *testing.T) {
	seg := heap(t)
	m := create(t, seg, lock.Spec{})
	victim := peer(t, seg)
	want(t, "Lock", open(t, victim).Lock(t.Context()), nil)
	p, held := m.Holder()
	if !held || !p.Alive {
		t.Fatalf("Holder: %+v %v", p, held)
	}
	slot := p.Slot
	object.Inside().HeapKill(victim)
	if p, held := m.Holder(); !held || p.Alive || p.Slot != slot {
		t.Errorf("Holder after its death: %+v %v", p, held)
	}
	next := peer(t, seg) // gets the slot of the dead one
	if p, held := m.Holder(); !held || p != (shm.Participant{Slot: slot}) {
		t.Errorf("Holder when its slot is another's: %+v %v", p, held)
	}
	want(t, "Close", next.Close(), nil)
}

func TestText(t *testing.T) {
	files(t, func(t *testing.T, seg *shm.Segment) {
		m := create(t, seg, lock.Spec{OnDeath: lock.Release})
		text, err := m.MarshalText()
		want(t, "MarshalText", err, nil)
		got := lock.Mutex{Repair: func() error { return nil }}
		want(t, "UnmarshalText", got.UnmarshalText(text), nil)
		if got.Repair == nil || got.Name() != "m" || got.Spec() != m.Spec() {
			t.Errorf("got %q, %+v", got.Name(), got.Spec())
		}
		want(t, "Lock", m.Lock(t.Context()), nil)
		want(t, "TryLock", got.TryLock(), lock.ErrLocked)
		want(t, "Unlock", m.Unlock(), nil)
		for _, bad := range []string{"", "x", string(text) + "x", string(text) + "~", string(text) + "~3", string(text) + "~99", string(text) + "~5"} {
			err := new(lock.Mutex).UnmarshalText([]byte(bad))
			if same := bad == string(text)+"~5"; same != (err == nil) {
				t.Errorf("UnmarshalText of %q: %v", bad, err)
			}
		}
		want(t, "Close", got.Segment().Close(), nil)
	})
}

// TestInside locks a mutex that is part of another object, by its handle and by
// its text.
func TestInside(t *testing.T) {
	files(t, func(t *testing.T, seg *shm.Segment) {
		h, err := handle.Create(t.Context(), seg, object.Request{
			Name: "a", Kind: vector.Kind(), Type: "int64",
			Spec: object.Spec{vector.SpecLen: 4, vector.SpecSize: 8, vector.SpecPolicy: uint64(lock.Release)},
		})
		want(t, "Create", err, nil)
		obj := handle.ObjectOf(&h)
		core, err := vector.Attach(obj.Region, obj.Shape)
		want(t, "Attach", err, nil)
		m := handle.NewMutex(h, core.Mutex(handle.UseOf(&h), obj)).(*lock.Mutex) //nolint:errcheck // what NewMutex promises
		if m.Name() != "a" || m.Spec().OnDeath != lock.Release {
			t.Errorf("name %q, spec %+v", m.Name(), m.Spec())
		}
		text, err := m.MarshalText()
		want(t, "MarshalText", err, nil)
		var got lock.Mutex
		want(t, "UnmarshalText", got.UnmarshalText(text), nil)
		want(t, "Lock", m.Lock(t.Context()), nil)
		want(t, "TryLock", got.TryLock(), lock.ErrLocked)
		want(t, "Unlock", got.Unlock(), nil)
		want(t, "Close", got.Segment().Close(), nil)
	})
}

// TestSum counts with plain variables, which the race detector watches on every
// kind of segment: on a mapping it has to be told of each hand-over.
func TestSum(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		create(t, seg, lock.Spec{})
		const rounds = 3000
		sum := 0
		var wg sync.WaitGroup
		for range 4 {
			m := open(t, seg)
			wg.Go(func() {
				for range rounds {
					if err := m.Lock(t.Context()); err != nil {
						t.Error(err)
						return
					}
					sum++
					if err := m.Unlock(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if sum != 4*rounds {
			t.Errorf("sum %d", sum)
		}
	})
}

func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := create(t, shmtest.Segment(t, shm.Spec{}), lock.Spec{})
	m.Repair = func() error { return nil }
	ctx, n := t.Context(), 0
	for name, f := range map[string]func(){
		"Lock":    func() { _ = m.Lock(ctx); _ = m.Unlock() },
		"TryLock": func() { _ = m.TryLock(); _ = m.TryLock(); _ = m.Unlock() },
		"Do":      func() { _ = m.Do(ctx, func() error { n++; return nil }) },
		"Unlock":  func() { _ = m.Unlock() },
	} {
		if got := stage.Allocs(100, f); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestOnDeathString(t *testing.T) {
	for o, s := range map[lock.OnDeath]string{0: "unset", lock.Poison: "Poison", lock.Release: "Release"} {
		if fmt.Sprint(o) != s {
			t.Errorf("%d is %q, want %q", o, o, s)
		}
	}
}
