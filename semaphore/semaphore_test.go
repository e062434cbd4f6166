package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// Conformance: ROS-02, ROS-05, RNM-01.
func TestVerbs(t *testing.T) {
	ctx := context.Background()
	seg := heap(t)
	_, err := semaphore.Open(ctx, seg, "s")
	wantErr(t, "Open of none", err, fs.ErrNotExist)
	s := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 3}))(t)
	_, err = semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 3})
	wantErr(t, "Create of one that exists", err, fs.ErrExist)
	acquire(t, s, 1)
	for _, open := range []func() (*semaphore.Semaphore, error){
		func() (*semaphore.Semaphore, error) { return semaphore.Open(ctx, seg, "s") },
		func() (*semaphore.Semaphore, error) {
			return semaphore.OpenOrCreate(ctx, seg, "s", semaphore.Spec{Permits: 3})
		},
		func() (*semaphore.Semaphore, error) { return semaphore.OpenOrCreate(ctx, seg, "s", semaphore.Spec{}) },
	} {
		other := must(open())(t)
		wantFree(t, other, 2)
		if other.Held() != 1 {
			t.Errorf("another handle of the process holds %d, want 1", other.Held())
		}
		if got, want := other.Spec(), (semaphore.Spec{Permits: 3, Kind: semaphore.Bounded}); got != want {
			t.Errorf("spec %+v, want %+v", got, want)
		}
		if other.Name() != "s" || other.Segment() != seg {
			t.Errorf("name %q, segment %p; want s, %p", other.Name(), other.Segment(), seg)
		}
	}
	release(t, s, 1)
	if err := seg.Remove(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	again := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 1}))(t)
	wantFree(t, s, 3) // the removed one works on
	wantFree(t, again, 1)
}

// Conformance: SEM-03.
func TestImpossibleSpecs(t *testing.T) {
	ctx := context.Background()
	seg := heap(t)
	for _, spec := range []semaphore.Spec{
		{},
		{Kind: semaphore.Bounded},
		{Permits: -1},
		{Permits: -1, Kind: semaphore.Signal},
		{Permits: 1 << 18},
		{Permits: 1, Kind: 3},
		{Permits: 1, Kind: 255},
	} {
		_, err := semaphore.Create(ctx, seg, "s", spec)
		wantErr(t, fmt.Sprintf("Create(%+v)", spec), err, fs.ErrInvalid)
		_, err = semaphore.OpenOrCreate(ctx, seg, "s", spec)
		wantErr(t, fmt.Sprintf("OpenOrCreate(%+v)", spec), err, fs.ErrInvalid)
	}
	objects := must(seg.Objects())(t)
	if len(objects) != 0 {
		t.Errorf("left behind: %v", objects)
	}
}

// Conformance: RNM-04.
func TestIncompatible(t *testing.T) {
	ctx := context.Background()
	seg := heap(t)
	must(semaphore.Create(ctx, seg, "bounded", semaphore.Spec{Permits: 3}))(t)
	must(semaphore.Create(ctx, seg, "signal", semaphore.Spec{Permits: 3, Kind: semaphore.Signal}))(t)
	for _, tt := range []struct {
		name  string
		spec  semaphore.Spec
		field string // "": compatible
	}{
		{"bounded", semaphore.Spec{Permits: 4}, "Permits"},
		{"bounded", semaphore.Spec{Kind: semaphore.Signal}, "Kind"},
		{"bounded", semaphore.Spec{Permits: 3, Kind: semaphore.Bounded}, ""},
		{"bounded", semaphore.Spec{Kind: semaphore.Bounded}, ""},
		{"signal", semaphore.Spec{Kind: semaphore.Bounded}, "Kind"},
		{"signal", semaphore.Spec{Permits: 4}, ""},
		{"signal", semaphore.Spec{Permits: 9, Kind: semaphore.Signal}, ""},
	} {
		_, err := semaphore.OpenOrCreate(ctx, seg, tt.name, tt.spec)
		var diff *shm.IncompatibleError
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%s as %+v: %v", tt.name, tt.spec, err)
		case tt.field != "" && (!errors.As(err, &diff) || diff.Field != tt.field):
			t.Errorf("%s as %+v: %v, want a difference in %s", tt.name, tt.spec, err, tt.field)
		}
	}
}

// Conformance: SEM-08.
func TestDo(t *testing.T) {
	ctx := context.Background()
	s := must(semaphore.Create(ctx, heap(t), "s", semaphore.Spec{Permits: 2}))(t)
	fault := errors.New("fault")
	err := s.Do(ctx, 1, func() error {
		wantFree(t, s, 1)
		return s.Do(ctx, 1, func() error {
			wantFree(t, s, 0)
			return fault
		})
	})
	wantErr(t, "Do", err, fault)
	wantFree(t, s, 2)

	func() {
		defer func() {
			if r := recover(); r != "panic" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = s.Do(ctx, 2, func() error { panic("panic") })
	}()
	wantFree(t, s, 2)

	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Do(ctx, 2, func() error { runtime.Goexit(); return nil }) })
	wg.Wait()
	wantFree(t, s, 2)

	wantErr(t, "Do that releases itself", s.Do(ctx, 1, func() error { return s.Release(1) }), semaphore.ErrNotHeld)
	called := false
	wantErr(t, "Do of too many", s.Do(ctx, 3, func() error { called = true; return nil }), fs.ErrInvalid)
	if called {
		t.Error("Do called f without permits")
	}
	wantFree(t, s, 2)
}

func TestZeroAndClosed(t *testing.T) {
	ctx := context.Background()
	seg := must(shm.Create(ctx, "x", shm.Spec{}, &shm.Options{Dir: t.TempDir()}))(t)
	closed := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 2}))(t)
	acquire(t, closed, 1)
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*semaphore.Semaphore{"zero": {}, "closed": closed} {
		wantErr(t, name+": Acquire", s.Acquire(ctx, 1), fs.ErrClosed)
		wantErr(t, name+": TryAcquire", s.TryAcquire(1), fs.ErrClosed)
		wantErr(t, name+": Release", s.Release(1), fs.ErrClosed)
		wantErr(t, name+": Do", s.Do(ctx, 1, func() error { return nil }), fs.ErrClosed)
		if s.Available() != 0 || s.Held() != 0 {
			t.Errorf("%s: Available %d, Held %d, want 0", name, s.Available(), s.Held())
		}
	}
	if closed.Name() != "s" || closed.Spec().Permits != 2 {
		t.Errorf("closed: name %q, spec %+v", closed.Name(), closed.Spec())
	}
	var zero semaphore.Semaphore
	if zero.Name() != "" || zero.Spec() != (semaphore.Spec{}) {
		t.Errorf("zero: name %q, spec %+v", zero.Name(), zero.Spec())
	}
	if _, err := zero.MarshalText(); err == nil {
		t.Error("zero: MarshalText succeeded")
	}
}

func TestCloseReturnsPermits(t *testing.T) {
	ctx := context.Background()
	seg := heap(t)
	s := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 400}))(t)
	other := peer(t, seg)
	p := must(semaphore.Open(ctx, other, "s"))(t)
	acquire(t, p, 399)
	done := make(chan error, 2)
	go func() { done <- p.Acquire(ctx, 2) }()
	go func() { done <- s.Acquire(ctx, 300) }()
	eventually(t, "one gathers", func() bool { return s.Available() == 0 })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	var closed, got int
	for range 2 {
		select {
		case err := <-done:
			if errors.Is(err, fs.ErrClosed) {
				closed++
			} else if err == nil {
				got++
			}
		case <-time.After(watchdog):
			t.Fatal("a blocked call hangs")
		}
	}
	if closed != 1 || got != 1 {
		t.Errorf("%d calls ended with fs.ErrClosed, %d got permits; want 1 and 1", closed, got)
	}
	wantFree(t, s, 100)
	release(t, s, 300)
	wantFree(t, s, 400)
}

func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	seg := must(shm.Create(ctx, "x", shm.Spec{}, &shm.Options{Dir: dir}))(t)
	s := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 3}))(t)
	acquire(t, s, 1)
	look := must(shm.Open(ctx, "x", &shm.Options{Dir: dir, ReadOnly: true}))(t)
	r := must(semaphore.Open(ctx, look, "s"))(t)
	wantErr(t, "Acquire", r.Acquire(ctx, 1), fs.ErrPermission)
	wantErr(t, "TryAcquire", r.TryAcquire(1), fs.ErrPermission)
	wantErr(t, "Release", r.Release(1), fs.ErrPermission)
	wantFree(t, r, 2)
	if r.Held() != 0 {
		t.Errorf("a reader holds %d", r.Held())
	}
	release(t, s, 1)
	if err := errors.Join(look.Close(), seg.Close()); err != nil {
		t.Error(err)
	}
}

func TestInspection(t *testing.T) {
	ctx := context.Background()
	seg := named(t)
	s := must(semaphore.Create(ctx, seg, "workers", semaphore.Spec{Permits: 3}))(t)
	acquire(t, s, 2)
	holds := must(seg.Holds())(t)
	if len(holds) != 1 || holds[0].Object != "workers" || holds[0].Count != 2 || holds[0].Participant.PID != os.Getpid() {
		t.Errorf("holds: %+v", holds)
	}
	objects := must(seg.Objects())(t)
	if len(objects) != 1 || objects[0].Kind != "semaphore" || objects[0].State != "1 of 3 free" || objects[0].Spec != "permits=3 kind=bounded" {
		t.Errorf("objects: %+v", objects)
	}
	release(t, s, 2)
}

func TestText(t *testing.T) {
	ctx := context.Background()
	s := must(semaphore.Create(ctx, named(t), "s", semaphore.Spec{Permits: 3}))(t)
	text := must(s.MarshalText())(t)
	var other semaphore.Semaphore
	if err := other.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	acquire(t, &other, 1)
	wantFree(t, s, 2)
	release(t, s, 1) // of the same process
	for _, bad := range []string{"", "x", string(text) + "x", strings.Replace(string(text), "#", "", 1)} {
		if err := other.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("unmarshalled %q", bad)
		}
	}
	wantFree(t, &other, 3) // as before the failures
	if err := other.Segment().Close(); err != nil {
		t.Error(err)
	}
	wantFree(t, s, 3)
}

func TestStrings(t *testing.T) {
	for kind, want := range map[semaphore.Kind]string{0: "unset", semaphore.Bounded: "Bounded", semaphore.Signal: "Signal"} {
		if kind.String() != want {
			t.Errorf("%d is %q, want %q", kind, kind, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	ctx := context.Background()
	for name, seg := range map[string]*shm.Segment{"heap": heap(t), "named": named(t)} {
		s := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 2}))(t)
		if n := stage.Allocs(100, func() {
			_ = s.Acquire(ctx, 1)
			_ = s.TryAcquire(1)
			_ = s.TryAcquire(1)
			_ = s.Release(2)
			_ = s.Do(ctx, 1, func() error { return nil })
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		wantFree(t, s, 2)
	}
}
