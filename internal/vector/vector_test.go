package vector_test

import (
	"errors"
	"io/fs"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/vector"
)

// world is one array on the heap with several participants.
type world struct {
	t      testing.TB
	shape  object.Shape
	region mem.Region
	core   *vector.Core
}

func newWorld(t testing.TB, n, size int) *world {
	t.Helper()
	w := &world{t: t, shape: object.Shape{Spec: object.Spec{uint64(n), uint64(size), uint64(robust.Poison)}, Slots: 15}}
	bytes, err := vector.Kind().Size(w.shape)
	if err != nil {
		t.Fatal(err)
	}
	w.region = mem.Heap(bytes)
	if err := vector.Kind().Format(w.region, w.shape); err != nil {
		t.Fatal(err)
	}
	if w.core, err = vector.Attach(w.region, w.shape); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) join(slot uint32) *vector.Parts {
	use := object.NewUse(&object.Mapping{Region: w.region}, slot, nil)
	return w.core.Parts(use, &object.Object{Name: "x", Kind: vector.Kind(), Shape: w.shape, Region: w.region})
}

func (w *world) die(slot uint32) {
	w.core.Repair(object.Dead{Slot: slot})
	w.core.Repair(object.Dead{Slot: slot, Exited: true})
}

func (w *world) check() {
	w.t.Helper()
	for _, err := range w.core.Check(func(slot uint32) bool { return slot != 2 }) {
		w.t.Error(err)
	}
}

// repeated returns n bytes b.
func repeated(b byte, n int) uint64 {
	return uint64(b) * 0x0101010101010101 & (1<<(8*n) - 1)
}

func TestShapesThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		kind *object.Kind
		spec object.Spec
	}{
		{vector.Kind(), object.Spec{0, 8, 1}},
		{vector.Kind(), object.Spec{1, 8, 0}},
		{vector.Kind(), object.Spec{1, 8, 3}},
		{vector.Kind(), object.Spec{math.MaxUint64, 8, 1}},
		{vector.Kind(), object.Spec{8, math.MaxUint64, 1}},
		{vector.Kind(), object.Spec{1 << 32, 1 << 32, 1}},
		{vector.Kind(), object.Spec{math.MaxUint64, 0, 1}},
		{vector.AtomicKind(), object.Spec{0, 8}},
		{vector.AtomicKind(), object.Spec{1, 2}},
		{vector.AtomicKind(), object.Spec{1 << 60, 8}},
	} {
		shape := object.Shape{Spec: tt.spec, Slots: 3}
		if n, err := tt.kind.Size(shape); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s %v: %d, %v", tt.kind.Name, tt.spec, n, err)
		}
		if _, err := tt.kind.Attach(mem.Heap(4096), shape); err == nil {
			t.Errorf("%s %v was attached", tt.kind.Name, tt.spec)
		}
	}
	short := object.Shape{Spec: object.Spec{100, 8, 1}}
	for _, kind := range []*object.Kind{vector.Kind(), vector.AtomicKind()} {
		if _, err := kind.Attach(mem.Heap(512), short); err == nil {
			t.Errorf("%s was attached beyond its region", kind.Name)
		}
	}
}

func TestPartsAreWhatWasStored(t *testing.T) {
	for _, size := range []int{3, 5, 6, 7} {
		const n = 50
		w := newWorld(t, n, size)
		p := w.join(1)
		for i := range int64(n) {
			if err := p.Store(i, repeated(byte(i+1), size)); err != nil {
				t.Fatal(err)
			}
		}
		// In memory they follow each other without gaps, as in a slice.
		all, err := w.region.Bytes(256, n*int64(size))
		if err != nil {
			t.Fatal(err)
		}
		for k, b := range all {
			if b != byte(k/size+1) {
				t.Errorf("size %d: byte %d is %d", size, k, b)
			}
		}
		for i := range int64(n) {
			if x := p.Load(i) & (1<<(8*size) - 1); x != repeated(byte(i+1), size) {
				t.Errorf("size %d: element %d is %x", size, i, x)
			}
		}
		w.check()
	}
}

// TestPartsAreNeverTorn has several participants write neighbouring elements,
// each all bytes alike, while others read them.
func TestPartsAreNeverTorn(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for _, size := range []int{3, 5, 6, 7} {
		const n = 9
		w := newWorld(t, n, size)
		mask := uint64(1)<<(8*size) - 1
		var writers, readers sync.WaitGroup
		var over atomic.Bool
		for slot := range uint32(3) {
			p := w.join(slot + 1)
			writers.Go(func() {
				for k := range rounds {
					i := int64(k+int(slot)) % n
					if err := p.Store(i, repeated(byte(k), size)); err != nil {
						t.Error(err)
					}
				}
			})
			readers.Go(func() {
				for !over.Load() {
					for i := range int64(n) {
						if x := p.Load(i) & mask; x != repeated(byte(x), size) {
							t.Errorf("size %d: element %d is torn: %x", size, i, x)
							return
						}
					}
					runtime.Gosched()
				}
			})
		}
		writers.Wait()
		over.Store(true)
		readers.Wait()
		w.check()
	}
}

func TestStoreOfAClosedSegment(t *testing.T) {
	w := newWorld(t, 9, 5)
	use := object.NewUse(&object.Mapping{Region: w.region}, 1, nil)
	p := w.core.Parts(use, &object.Object{Name: "x", Kind: vector.Kind(), Shape: w.shape, Region: w.region})
	holder := w.join(2)
	if err := holder.Lock(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.Store(1, 1) }() // bytes 5 to 9
	use.End()
	if err := <-done; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	holder.Unlock()
	if x := holder.Load(1) & 0xffffffffff; x != 0 {
		t.Errorf("it was stored: %x", x)
	}
}

func FuzzVectorAttach(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, uint64(1), uint64(1))
	f.Add([]byte{}, []byte{}, uint64(7), uint64(math.MaxUint64))
	f.Add([]byte{0, 0, 0, 0xff}, []byte{}, uint64(3), uint64(4))
	f.Fuzz(func(t *testing.T, lock, partsLock []byte, sequence, index uint64) {
		w := newWorld(t, 9, 5)
		all, err := w.region.Bytes(0, w.region.Len())
		if err != nil {
			t.Fatal(err)
		}
		copy(all[:64], lock)
		copy(all[128:192], partsLock)
		*word(t, w.region, 192) = sequence
		*word(t, w.region, 200) = index
		p := w.join(1)
		for i := range int64(9) {
			p.Load(i)
		}
		w.core.Check(func(uint32) bool { return true })
		w.core.Holds(func(object.Hold) bool { return true })
		_ = w.core.State()
		for slot := range w.shape.Slots {
			w.die(slot + 1)
		}
		w.core.Leave(1)
	})
}

func word(t *testing.T, r mem.Region, off int64) *uint64 {
	t.Helper()
	p, err := mem.At[uint64](r, off)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
