package permit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// watchdog bounds waits that end at once unless something is broken.
const watchdog = 30 * time.Second

// world is one semaphore on the heap with several participants.
type world struct {
	t      testing.TB
	shape  object.Shape
	region mem.Region
	core   *permit.Core
	dead   map[uint32]bool
}

func newWorld(t testing.TB, kind, permits, slots int) *world {
	shape := object.Shape{Spec: object.Spec{uint64(permits), uint64(kind)}, Slots: uint32(slots)}
	n, err := permit.Kind().Size(shape)
	if err != nil {
		t.Helper() // in vain, it costs more than much of this, in every schedule of a search
		t.Fatal(err)
	}
	w := &world{t: t, shape: shape, region: mem.Heap(n), dead: map[uint32]bool{}}
	if err := permit.Kind().Format(w.region, shape); err != nil {
		t.Helper()
		t.Fatal(err)
	}
	if w.core, err = permit.Attach(w.region, shape); err != nil {
		t.Helper()
		t.Fatal(err)
	}
	return w
}

// party is one participant: what a process would have.
type party struct {
	*permit.Semaphore
	use *object.Use
	obj *object.Object
}

func (w *world) join(slot uint32) *party {
	use := object.NewUse(&object.Mapping{Region: w.region}, slot, nil)
	use.Board = make([]satomic.Uint32, 4)
	obj := &object.Object{Name: "s", Kind: permit.Kind(), Shape: w.shape, Region: w.region}
	s, err := permit.New(use, obj)
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
	return &party{s, use, obj}
}

// handle returns another handle of the same participant.
func (p *party) handle(t testing.TB) *permit.Semaphore {
	t.Helper()
	s, err := permit.New(p.use, p.obj)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// close does what Segment.Close does.
func (w *world) close(p *party) {
	p.use.End()
	w.core.Leave(p.use.Slot)
}

// repair does what the guardian of a survivor does about a dead participant.
func (w *world) repair(slot uint32) {
	w.dead[slot] = true
	w.core.Repair(object.Dead{Slot: slot})
	w.core.Repair(object.Dead{Slot: slot, Exited: true})
}

// check verifies the books and that free permits are available.
func (w *world) check(free int) {
	for _, err := range w.core.Check(func(slot uint32) bool { return slot <= w.shape.Slots && !w.dead[slot] }) {
		w.t.Helper()
		w.t.Error(err)
	}
	if got := w.free(); got != free {
		w.t.Helper()
		w.t.Errorf("%d permits are available, want %d (%s)", got, free, w.core.State())
	}
}

func (w *world) free() int { return w.join(1).Available() }

func mustAcquire(t testing.TB, s interface {
	Acquire(context.Context, int) error
}, n int,
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	if err := s.Acquire(ctx, n); err != nil {
		t.Fatalf("Acquire(%d): %v", n, err)
	}
}

func mustRelease(t testing.TB, s interface{ Release(int) error }, n int) {
	t.Helper()
	if err := s.Release(n); err != nil {
		t.Fatalf("Release(%d): %v", n, err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// acquiring starts Acquire(ctx, n) and returns where its error comes.
func acquiring(ctx context.Context, p *party, n int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.Acquire(ctx, n) }()
	return done
}

// result waits for an error, under the watchdog.
func result(t testing.TB, what string, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(watchdog):
		t.Fatalf("%s hangs", what)
		return nil
	}
}

// until waits until ok, which is looked at again and again.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(watchdog); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(50 * time.Microsecond) // nothing tells of it
	}
}
