// Package stage puts one object on the heap, with several participants that are
// goroutines of a test, for the tests of its kind.
package stage

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Watchdog bounds waits for what must happen.
const Watchdog = 30 * time.Second

// Stage is an object and its participants, which have the numbers 1 to Slots.
type Stage struct {
	Kind   *object.Kind
	Shape  object.Shape
	Region mem.Region
	Core   object.Core

	mu   sync.Mutex
	dead map[uint32]bool
}

// New returns an object of that kind and spec at rest.
func New(tb testing.TB, kind *object.Kind, spec object.Spec, slots uint32) *Stage {
	tb.Helper()
	s, err := Build(kind, spec, slots)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Build is New for those that are no test.
func Build(kind *object.Kind, spec object.Spec, slots uint32) (*Stage, error) {
	s := &Stage{Kind: kind, Shape: object.Shape{Spec: spec, Slots: slots}, dead: map[uint32]bool{}}
	n, err := kind.Size(s.Shape)
	if err != nil {
		return nil, err
	}
	s.Region = mem.Heap(n)
	if err := kind.Format(s.Region, s.Shape); err != nil {
		return nil, err
	}
	s.Core, err = kind.Attach(s.Region, s.Shape)
	return s, err
}

// Party is what one process has of the object.
type Party struct {
	Use *object.Use
	Obj *object.Object
}

// Join returns a participant, or with slot 0 one who may only read.
func (s *Stage) Join(slot uint32) Party {
	use := object.NewUse(&object.Mapping{Region: s.Region}, slot, peers{})
	use.Board = make([]satomic.Uint32, 4)
	return Party{use, &object.Object{Name: "x", Kind: s.Kind, Shape: s.Shape, Region: s.Region}}
}

// Asleep reports whether a goroutine of p sleeps in the kernel.
func (p Party) Asleep() bool {
	for i := range p.Use.Board {
		if p.Use.Board[i].Load() != 0 {
			return true
		}
	}
	return false
}

// Leave does what Segment.Close does.
func (s *Stage) Leave(p Party) {
	p.Use.End()
	s.Core.Leave(p.Use.Slot)
}

// Die repairs what a participant left that does nothing any more.
func (s *Stage) Die(slot uint32) {
	s.mu.Lock()
	s.dead[slot] = true
	s.mu.Unlock()
	s.Core.Repair(object.Dead{Slot: slot, Generation: generation(slot)})
	s.Core.Repair(object.Dead{Slot: slot, Generation: generation(slot), Exited: true})
}

// Bury is Die for each of several.
func (s *Stage) Bury(slots []uint32) {
	for _, slot := range slots {
		s.Die(slot)
	}
}

// Faults returns what the object's check finds.
func (s *Stage) Faults() error {
	return errors.Join(s.Core.Check(func(slot uint32) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slot != 0 && slot <= s.Shape.Slots && !s.dead[slot]
	})...)
}

// Check fails the test if the object's check finds anything.
func (s *Stage) Check(tb testing.TB) {
	tb.Helper()
	if err := s.Faults(); err != nil {
		tb.Error(err)
	}
}

// Held returns how much of something each participant holds.
func (s *Stage) Held(what string) map[uint32]int {
	held := map[uint32]int{}
	s.Core.Holds(func(h object.Hold) bool {
		if h.What == what {
			held[h.Slot] += h.Count
		}
		return true
	})
	return held
}

// peers are those of participants whose death ends everything of theirs at once.
type peers struct{}

func generation(slot uint32) uint32 { return 100 + slot }

func (peers) Generation(slot uint32) uint32 { return generation(slot) }

func (peers) WaitExited(ctx context.Context, _, _ uint32) error { return ctx.Err() }

// Async runs f in a goroutine and returns where its error comes.
func Async(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// Await returns what Async's f returned, under the watchdog.
func Await(tb testing.TB, what string, c <-chan error) error {
	tb.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(Watchdog):
		tb.Fatalf("hangs: %s", what)
		return nil
	}
}

// Until returns when ok does return true, under the watchdog.
func Until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > Watchdog {
			tb.Fatalf("did not happen: %s", what)
		}
	}
}

// Want fails the test at once if err is not target.
func Want(tb testing.TB, what string, err, target error) {
	tb.Helper()
	if !errors.Is(err, target) || target == nil && err != nil {
		tb.Fatalf("%s: %v, want %v", what, err, target)
	}
}

// behind is how much memory behind the object Hostile watches.
const behind = 256

// Scribble is bytes for an object, from word Where on.
type Scribble struct {
	Bytes []byte
	Where int
}

// Hostile puts bytes into an object, runs use on it and everything
// that repair and inspection do, and fails the test if memory behind the object
// changes. A shape that cannot be is left alone.
func Hostile(tb testing.TB, kind *object.Kind, shape object.Shape, b Scribble, use func(s *Stage)) {
	tb.Helper()
	n, err := kind.Size(shape)
	if err != nil {
		if !errors.Is(err, fs.ErrInvalid) {
			tb.Fatal(err)
		}
		return
	}
	if n > 1<<20 {
		return
	}
	all := mem.Heap(n + behind)
	s := &Stage{Kind: kind, Shape: shape, dead: map[uint32]bool{}}
	if s.Region, err = all.Sub(0, n); err != nil {
		tb.Fatal(err)
	}
	if err := kind.Format(s.Region, shape); err != nil {
		tb.Fatal(err)
	}
	raw, err := all.Bytes(0, n+behind)
	if err != nil {
		tb.Fatal(err)
	}
	copy(raw[int64(b.Where)*8%n:n], b.Bytes)
	if s.Core, err = kind.Attach(s.Region, shape); err != nil {
		tb.Fatal(err)
	}
	use(s)
	s.inspect()
	s.Core.Repair(object.Dead{Slot: 2})
	s.Core.Repair(object.Dead{Slot: 3, Exited: true})
	s.Core.Leave(2)
	s.inspect()
	for _, b := range raw[n:] {
		if b != 0 {
			tb.Fatal("wrote behind the object")
		}
	}
}

func (s *Stage) inspect() {
	s.Core.Check(func(slot uint32) bool { return slot == 1 })
	s.Core.Holds(func(object.Hold) bool { return true })
	_ = s.Core.State()
}
