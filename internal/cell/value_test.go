package cell_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
)

func TestPlaces(t *testing.T) {
	for _, tt := range []struct{ size, first, second, end int64 }{
		{0, 24, 24, 256},
		{1, 24, 32, 256},
		{8, 24, 32, 256},
		{48, 24, 72, 256},
		{52, 256, 320, 384},
		{64, 256, 320, 384},
		{65, 256, 384, 512},
	} {
		first, second, end := cell.Place(tt.size)
		if first != tt.first || second != tt.second || end != tt.end {
			t.Errorf("%d bytes: %d, %d, %d", tt.size, first, second, end)
		}
	}
}

func TestSizesThatCannotBe(t *testing.T) {
	for _, size := range []uint64{1<<40 + 1, 1 << 63, ^uint64(0)} {
		if _, err := cell.Kind().Size(object.Shape{Spec: object.Spec{size}}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("value of %d bytes: %v", size, err)
		}
	}
	for _, size := range []uint64{0, 1, 5, 16} {
		if _, err := cell.AtomicKind().Size(object.Shape{Spec: object.Spec{size}}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("number of %d bytes: %v", size, err)
		}
	}
}

// TestNeverTorn stores values whose parts are equal from several participants,
// while others load them: large ones, whose copying takes long enough to meet.
func TestNeverTorn(t *testing.T) {
	t.Run("16 bytes", func(t *testing.T) { neverTorn[[2]uint64](t) })
	t.Run("2 KiB", func(t *testing.T) { neverTorn[[256]uint64](t) })
	t.Run("32 KiB", func(t *testing.T) { neverTorn[[4096]uint64](t) })
}

func neverTorn[T any](t *testing.T) {
	w := newWorld(t, cell.Kind(), mem.SizeOf[T]())
	stores := 2000
	if testing.Short() || race.Enabled {
		stores = 200
	}
	var stored atomic.Uint64
	var over atomic.Bool
	var writers, readers sync.WaitGroup
	for slot := range uint32(2) {
		v := w.value(slot + 1)
		writers.Go(func() {
			var x T
			b := mem.BytesOf(&x)
			for range stores {
				n := byte(stored.Add(1))
				copy(b, bytes.Repeat([]byte{n}, len(b)))
				if err := cell.Store(t.Context(), v, &x); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for slot := range uint32(3) {
		v := w.value(slot) // the first may only read
		readers.Go(func() {
			var x T
			var last uint64
			for !over.Load() {
				version := cell.Load(v, &x)
				b := mem.BytesOf(&x)
				if alike := bytes.Count(b, b[:1]); alike != len(b) {
					t.Errorf("torn: %d bytes of %d are %d", alike, len(b), b[0])
					return
				}
				if version < last {
					t.Errorf("version %d after %d", version, last)
				}
				last = version
				runtime.Gosched()
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	if v := w.value(1); v.Version() != uint64(2*stores) {
		t.Errorf("%d publications of %d", v.Version(), 2*stores)
	}
	w.check()
}

func TestUpdateIsExact(t *testing.T) {
	w := newWorld(t, cell.Kind(), 8)
	const parties, rounds = 4, 500
	var all sync.WaitGroup
	for slot := range uint32(parties) {
		v := w.value(slot + 1)
		all.Go(func() {
			var tmp uint64
			for range rounds {
				err := cell.Update(t.Context(), v, cell.NoLayout(), &tmp, func(x *uint64) error { *x++; return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var x uint64
	if cell.Load(w.value(1), &x); x != parties*rounds {
		t.Errorf("%d of %d", x, parties*rounds)
	}
}

// TestLoadTakesTheLockWhenWritersAreQuicker loads while the words that tell a
// good copy always tell a bad one.
func TestLoadTakesTheLockWhenWritersAreQuicker(t *testing.T) {
	w := newWorld(t, cell.Kind(), 16)
	v := w.value(1)
	if err := cell.Store(t.Context(), v, &pair{7, 7}); err != nil {
		t.Fatal(err)
	}
	cell.Scribble(v, 1, 40)
	var x pair
	if cell.Load(v, &x); x != (pair{7, 7}) {
		t.Errorf("got %v", x)
	}
	if err := cell.Lock(v); err != nil {
		t.Errorf("Load kept the lock: %v", err)
	}
	// With the lock held, or as one who may not take it, Load ends all the same.
	cell.Load(w.value(2), &x)
	cell.Load(w.value(0), &x)
	cell.Unlock(v)
	cell.Scribble(v, ^uint64(0), 3)
	cell.Load(v, &x)
	if errs := w.core.Check(func(uint32) bool { return true }); len(errs) != 1 {
		t.Errorf("Check finds %v", errs)
	}
}

func TestStoreGivesUp(t *testing.T) {
	w := newWorld(t, cell.Kind(), 16)
	holder, v := w.value(1), w.value(2)
	if err := cell.Lock(holder); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := cell.Store(ctx, v, &pair{1, 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	cell.Unlock(holder)
	if v.Version() != 0 {
		t.Error("it was stored")
	}
	reader := w.value(0)
	if err := cell.Store(t.Context(), reader, &pair{1, 1}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateOfAClosedSegmentPublishesNothing(t *testing.T) {
	w := newWorld(t, cell.Kind(), 16)
	p := w.join(1)
	v, err := cell.OpenValue(p.use, p.obj, 16)
	if err != nil {
		t.Fatal(err)
	}
	var tmp pair
	err = cell.Update(t.Context(), v, cell.NoLayout(), &tmp, func(x *pair) error {
		x[0] = 1
		p.use.End()
		return nil
	})
	if !errors.Is(err, fs.ErrClosed) || v.Version() != 0 {
		t.Errorf("got %v, version %d", err, v.Version())
	}
	if err := cell.Store(t.Context(), w.value(2), &pair{2, 2}); err != nil {
		t.Errorf("the lock was kept: %v", err)
	}
}

// TestWaitersOfDifferentThings has many goroutines of two participants wait for
// different numbers; the value passes through them slowly enough to be seen.
func TestWaitersOfDifferentThings(t *testing.T) {
	w := newWorld(t, cell.Kind(), 8)
	const waiters = 40
	var waiting sync.WaitGroup
	var came atomic.Uint64
	for _, slot := range []uint32{1, 2, 0} {
		p := w.join(slot)
		v, err := cell.OpenValue(p.use, p.obj, 8)
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(waiters) {
			waiting.Go(func() {
				for {
					var x uint64
					version := cell.Load(v, &x)
					if x >= n {
						came.Add(1)
						return
					}
					if err := v.Await(t.Context(), p.use, func() bool { return v.Version() != version }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	writer := w.value(3)
	for n := range uint64(waiters) {
		if err := cell.Store(t.Context(), writer, &n); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return came.Load() >= 3*(n+1) })
	}
	waiting.Wait()
}

func TestAwaitEnds(t *testing.T) {
	for _, slot := range []uint32{0, 1} { // a reader, and one who sleeps
		w := newWorld(t, cell.Kind(), 8)
		p := w.join(slot)
		v, err := cell.OpenValue(p.use, p.obj, 8)
		if err != nil {
			t.Fatal(err)
		}
		never := func() bool { return false }
		always := func() bool { return true }
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 20)
		for range cap(results) {
			go func() { results <- v.Await(ctx, p.use, never) }()
		}
		if slot != 0 {
			until(t, p.asleep)
		}
		cancel()
		for range cap(results) {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		if err := v.Await(ctx, p.use, always); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that was done before: %v", err)
		}
		for range cap(results) {
			go func() { results <- v.Await(t.Context(), p.use, never) }()
		}
		if slot != 0 {
			until(t, p.asleep)
		}
		p.use.End()
		for range cap(results) {
			if err := <-results; !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		if err := v.Await(t.Context(), p.use, always); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("closed before: %v", err)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	w := newWorld(t, cell.Kind(), 16)
	v := w.value(1)
	ctx := t.Context()
	x := pair{1, 1}
	var tmp pair
	f := func(x *pair) error { x[0]++; return nil }
	for name, op := range map[string]func(){
		"Load":   func() { cell.Load(v, &x) },
		"Store":  func() { _ = cell.Store(ctx, v, &x) },
		"Update": func() { _ = cell.Update(ctx, v, cell.NoLayout(), &tmp, f) },
	} {
		if n := testing.AllocsPerRun(100, op); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzCellAttach(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 40}, []byte{2})
	f.Add(make([]byte, 24), []byte{1, 0, 0, 0, 1, 0, 0, 0})
	f.Add(make([]byte, 24), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, header, lock []byte) {
		w := newWorld(t, cell.Kind(), 16)
		all, err := w.region.Bytes(0, w.region.Len())
		if err != nil {
			t.Fatal(err)
		}
		copy(all, header)
		copy(all[128:], lock)
		p := w.join(1)
		v, err := cell.OpenValue(p.use, p.obj, 16)
		if err != nil {
			t.Fatal(err)
		}
		var x, tmp pair
		cell.Load(v, &x)
		cell.Load(w.value(0), &x)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_ = cell.Store(ctx, v, &x)
		_ = cell.Update(ctx, v, cell.NoLayout(), &tmp, func(*pair) error { return nil })
		_ = v.Await(ctx, p.use, func() bool { return false })
		w.core.Check(func(uint32) bool { return true })
		w.core.Holds(func(object.Hold) bool { return true })
		_ = w.core.State()
		for slot := range w.shape.Slots {
			w.die(slot + 1)
		}
		w.core.Leave(1)
	})
}
