package value_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

// TestConformanceValue has a subtest for each thing that users of shared values
// rely on and that no other test here shows. Those that bear an id in their
// comment show the rest.
func TestConformanceValue(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"VAL-01": childOverwrites, "VAL-02": childOverwritesAtomics, "VAL-05": fourAdd, "VAL-06": childDoubles,
		"VAL-07": refusedTypes, "RTF-01": neverEarly, "RTF-04": exactSum,
	} {
		t.Run(name, f)
	}
}

// mixed is a struct whose fields need padding.
type mixed struct {
	X int32
	Y float64
	Z int64
}

// several are values of many types, which a child overwrites.
type several struct {
	I    *value.Value[int32]
	D    *value.Value[float64]
	H    *value.Value[int16]
	Q    *value.Value[int64]
	C    *value.Value[byte]
	F    *value.Value[float32]
	U    *value.Value[uint16]
	Yes  *value.Value[bool]
	Z    *value.Value[complex128]
	List *value.Value[[3]int32]
	Rec  *value.Value[mixed]
}

var errOther = errors.New("another value")

// replace stores next if v is before.
func replace[T comparable](ctx context.Context, v *value.Value[T], before, next T) error {
	if x := v.Load(); x != before {
		return fmt.Errorf("%s is %v, want %v: %w", v.Name(), x, before, errOther)
	}
	return v.Store(ctx, next)
}

var overwrite = process.Func("value-overwrite", func(ctx context.Context, s several) error {
	return errors.Join(
		replace(ctx, s.I, 4343, 24234), replace(ctx, s.D, 3.625, -4.25), replace(ctx, s.H, -232, 234),
		replace(ctx, s.Q, 1<<33, 1<<34), replace(ctx, s.C, 'x', 'y'), replace(ctx, s.F, 0.5, 1.5),
		replace(ctx, s.U, 65535, 1), replace(ctx, s.Yes, false, true), replace(ctx, s.Z, 1i, 2i),
		replace(ctx, s.List, [3]int32{1, 2, 3}, [3]int32{4, 5, 6}), replace(ctx, s.Rec, mixed{1, 2, 3}, mixed{4, 5, 6}),
	)
})

func is[T comparable](t *testing.T, v *value.Value[T], want T) {
	t.Helper()
	if x := v.Load(); x != want {
		t.Errorf("%s is %v, want %v", v.Name(), x, want)
	}
}

func childOverwrites(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	s := several{
		I: mustCreate(t, seg, "i", int32(4343)), D: mustCreate(t, seg, "d", 3.625), H: mustCreate(t, seg, "h", int16(-232)),
		Q: mustCreate(t, seg, "q", int64(1<<33)), C: mustCreate(t, seg, "c", byte('x')), F: mustCreate(t, seg, "f", float32(0.5)),
		U: mustCreate(t, seg, "u", uint16(65535)), Yes: mustCreate(t, seg, "yes", false), Z: mustCreate(t, seg, "z", 1i),
		List: mustCreate(t, seg, "list", [3]int32{1, 2, 3}), Rec: mustCreate(t, seg, "rec", mixed{1, 2, 3}),
	}
	if err := overwrite.Run(soon(t), s); err != nil {
		t.Fatal(err)
	}
	is(t, s.I, 24234)
	is(t, s.D, -4.25)
	is(t, s.H, 234)
	is(t, s.Q, 1<<34)
	is(t, s.C, 'y')
	is(t, s.F, 1.5)
	is(t, s.U, 1)
	is(t, s.Yes, true)
	is(t, s.Z, 2i)
	is(t, s.List, [3]int32{4, 5, 6})
	is(t, s.Rec, mixed{4, 5, 6})
}

// counts are numbers of several types without a lock.
type counts struct {
	I *value.Atomic[int32]
	U *value.Atomic[uint64]
	F *value.Atomic[float64]
	N int
}

var (
	replaceCounts = process.Func("value-replace-counts", func(_ context.Context, c counts) error {
		if i, u, f := c.I.Swap(-5), c.U.Swap(1<<63), c.F.Swap(-0.25); i != 7 || u != 9 || f != 0.5 {
			return fmt.Errorf("%v, %v, %v: %w", i, u, f, errOther)
		}
		return nil
	})
	addCounts = process.Func("value-add-counts", func(_ context.Context, c counts) error {
		for range c.N {
			c.I.Add(1)
			c.U.Add(2)
			c.F.Add(0.5)
		}
		return nil
	})
)

func newCounts(t *testing.T, seg *shm.Segment, i int32, u uint64, f float64) counts {
	t.Helper()
	var c counts
	var errs [3]error
	c.I, errs[0] = value.CreateAtomic(t.Context(), seg, "i", i)
	c.U, errs[1] = value.CreateAtomic(t.Context(), seg, "u", u)
	c.F, errs[2] = value.CreateAtomic(t.Context(), seg, "f", f)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return c
}

func childOverwritesAtomics(t *testing.T) {
	c := newCounts(t, shmtest.Segment(t, shm.Spec{}), 7, 9, 0.5)
	if err := replaceCounts.Run(soon(t), c); err != nil {
		t.Fatal(err)
	}
	if c.I.Load() != -5 || c.U.Load() != 1<<63 || c.F.Load() != -0.25 {
		t.Errorf("%v, %v, %v", c.I.Load(), c.U.Load(), c.F.Load())
	}
}

// rounds is how often each of four processes adds.
func rounds() int {
	if testing.Short() || race.Enabled {
		return 1000
	}
	return 100_000
}

// four runs four children to their end.
func four[A any](t *testing.T, f *process.Function[A], a A) {
	t.Helper()
	var children []*process.Child
	for range 4 {
		child, err := f.Start(soon(t), a)
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	if err := process.Wait(soon(t), children...); err != nil {
		t.Fatal(err)
	}
}

func exactSum(t *testing.T) {
	c := newCounts(t, shmtest.Segment(t, shm.Spec{}), 0, 0, 0)
	c.N = rounds()
	four(t, addCounts, c)
	if n := 4 * c.N; int(c.I.Load()) != n || c.U.Load() != uint64(2*n) || c.F.Load() != float64(n)/2 {
		t.Errorf("%v, %v, %v after %d additions", c.I.Load(), c.U.Load(), c.F.Load(), n)
	}
}

type updates struct {
	V *value.Value[mixed]
	N int
}

var (
	addMixed = process.Func("value-add", func(ctx context.Context, a updates) error {
		for range a.N {
			if err := a.V.Update(ctx, func(m *mixed) error { m.X++; m.Y--; m.Z += 2; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	double = process.Func("value-double", func(ctx context.Context, a updates) error {
		return a.V.Update(ctx, func(m *mixed) error { m.X *= 2; m.Y *= 2; m.Z *= 2; return nil })
	})
)

func fourAdd(t *testing.T) {
	a := updates{V: mustCreate(t, shmtest.Segment(t, shm.Spec{}), "v", mixed{}), N: rounds()}
	four(t, addMixed, a)
	is(t, a.V, mixed{int32(4 * a.N), float64(-4 * a.N), int64(8 * a.N)})
}

func childDoubles(t *testing.T) {
	a := updates{V: mustCreate(t, shmtest.Segment(t, shm.Spec{}), "v", mixed{3, 2, 1 << 40})}
	if err := double.Run(soon(t), a); err != nil {
		t.Fatal(err)
	}
	is(t, a.V, mixed{6, 4, 1 << 41})
}

// refused tries to make a value of a type that has no fixed layout.
func refused[T any](t *testing.T, seg *shm.Segment) {
	t.Helper()
	var zero T
	var e *shm.TypeError
	if _, err := value.Create(t.Context(), seg, "x", zero); !errors.As(err, &e) {
		t.Errorf("%T: %v", &zero, err)
	}
}

func refusedTypes(t *testing.T) {
	seg := heap(t)
	refused[string](t, seg)
	refused[*int](t, seg)
	refused[[]int](t, seg)
	refused[map[int]int](t, seg)
	refused[func()](t, seg)
	refused[chan int](t, seg)
	refused[any](t, seg)
	refused[io.Reader](t, seg)
	refused[uintptr](t, seg)
	refused[[2]string](t, seg)
	refused[struct{ A, B []byte }](t, seg)
	refused[struct{ Deep struct{ P *int } }](t, seg)
	if list, err := seg.Objects(); err != nil || len(list) != 0 {
		t.Errorf("made: %v, %v", list, err)
	}
	if _, err := value.Open[int](t.Context(), seg, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
}

func neverEarly(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	v := mustCreate(t, seg, "v", 1)
	n, err := value.CreateAtomic(t.Context(), seg, "n", 1)
	if err != nil {
		t.Fatal(err)
	}
	never := func(int) bool { return false }
	for range 40 {
		const d = 3 * time.Millisecond
		for name, wait := range map[string]func(context.Context, func(int) bool) (int, error){"Value": v.Wait, "Atomic": n.Wait} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			_, err := wait(ctx, never)
			cancel()
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < d {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
	}
}
