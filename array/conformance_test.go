package array_test

import (
	"context"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// TestConformanceArray has a subtest for each thing that users of shared arrays
// rely on and that no other test here shows. Those that bear an id in their
// comment show the rest.
func TestConformanceArray(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"ARR-01": childSumsUp, "ARR-02": childDoubles, "ARR-05": bytesAreAsLongAsTheyAre,
	} {
		t.Run(name, f)
	}
}

// arrays are what a child changes in place.
type arrays struct {
	Ints   *array.Array[int32]
	Floats *array.Array[float64]
	Bytes  *array.Array[byte]
}

var (
	sumUp = process.Func("array-sum-up", func(_ context.Context, a arrays) error {
		for i := 1; i < a.Ints.Len(); i++ {
			a.Ints.Set(i, a.Ints.At(i)+a.Ints.At(i-1))
		}
		return nil
	})
	doubleAll = process.Func("array-double", func(_ context.Context, a arrays) error {
		for i, x := range a.Floats.All() {
			a.Floats.Set(i, 2*x)
		}
		text := make([]byte, 5)
		a.Bytes.CopyOut(0, text)
		a.Bytes.CopyIn(5, text)
		return nil
	})
)

func childSumsUp(t *testing.T) {
	a := mustCreate[int32](t, shmtest.Segment(t, shm.Spec{}), "a", 10)
	plain := []int32{680, 626, 934, 821, 150, 233, 548, 982, 714, 831}
	if n := a.CopyIn(0, plain); n != 10 || a.Len() != 10 {
		t.Fatalf("%d of %d", n, a.Len())
	}
	if a.At(3) != plain[3] {
		t.Errorf("element 3 is %d", a.At(3))
	}
	part := make([]int32, 5)
	if n := a.CopyOut(2, part); n != 5 || !slices.Equal(part, plain[2:7]) {
		t.Errorf("elements 2 to 7 are %v", part)
	}
	a.CopyIn(4, []int32{1, 2, 3, 4})
	copy(plain[4:8], []int32{1, 2, 3, 4})
	if !slices.Equal(a.View(), plain) {
		t.Errorf("%v, want %v", a.View(), plain)
	}
	if err := sumUp.Run(soon(t), arrays{Ints: a}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(plain); i++ {
		plain[i] += plain[i-1]
	}
	if !slices.Equal(a.View(), plain) {
		t.Errorf("%v, want %v", a.View(), plain)
	}
}

func childDoubles(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	a := arrays{Floats: mustCreate[float64](t, seg, "f", 10), Bytes: mustCreate[byte](t, seg, "b", 20)}
	want := make([]float64, 10)
	for i := range want {
		a.Floats.Set(i, float64(i)+0.25)
		want[i] = 2*float64(i) + 0.5
	}
	a.Bytes.CopyIn(0, []byte("hello"))
	if err := doubleAll.Run(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Floats.View(), want) {
		t.Errorf("%v, want %v", a.Floats.View(), want)
	}
	if got := string(a.Bytes.View()); got != "hellohello\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

// An array of bytes has the length that it was made with: a shorter text leaves
// zeros or what was there behind it, and nothing ends at the first of them.
func bytesAreAsLongAsTheyAre(t *testing.T) {
	a := mustCreate[byte](t, shmtest.Segment(t, shm.Spec{}), "a", 5)
	a.CopyIn(0, []byte("ab"))
	if got := string(a.View()); got != "ab\x00\x00\x00" || a.Len() != 5 {
		t.Errorf("%q of %d", got, a.Len())
	}
	a.CopyIn(0, []byte{'x', 0, 'y'})
	if got := string(a.View()); got != "x\x00y\x00\x00" {
		t.Errorf("%q", got)
	}
}
