package cell_test

import (
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// watchdog bounds waits that end at once unless something is broken.
const watchdog = 30 * time.Second

// world is one object on the heap with several participants.
type world struct {
	t      testing.TB
	kind   *object.Kind
	shape  object.Shape
	region mem.Region
	core   object.Core
}

func newWorld(t testing.TB, kind *object.Kind, size int64) *world {
	t.Helper()
	w := &world{t: t, kind: kind, shape: object.Shape{Spec: object.Spec{uint64(size)}, Slots: 15}}
	n, err := kind.Size(w.shape)
	if err != nil {
		t.Fatal(err)
	}
	w.region = mem.Heap(n)
	if err := kind.Format(w.region, w.shape); err != nil {
		t.Fatal(err)
	}
	if w.core, err = kind.Attach(w.region, w.shape); err != nil {
		t.Fatal(err)
	}
	return w
}

// party is what one process has of the object.
type party struct {
	use *object.Use
	obj *object.Object
}

// join returns another participant; slot 0 may only read.
func (w *world) join(slot uint32) party {
	use := object.NewUse(&object.Mapping{Region: w.region}, slot, nil)
	use.Board = make([]satomic.Uint32, 4)
	return party{use, &object.Object{Name: "x", Kind: w.kind, Shape: w.shape, Region: w.region}}
}

// asleep reports whether a goroutine of p sleeps in the kernel.
func (p party) asleep() bool {
	for i := range p.use.Board {
		if p.use.Board[i].Load() != 0 {
			return true
		}
	}
	return false
}

// die repairs what the participant left, as its survivors would.
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

// pair is a value whose halves are equal, unless it is torn.
type pair [2]uint64

func (w *world) value(slot uint32) *cell.Value {
	w.t.Helper()
	p := w.join(slot)
	v, err := cell.OpenValue(p.use, p.obj, int64(w.shape.Spec[0]))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// until waits for ok.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(watchdog); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never became so")
		}
	}
}
