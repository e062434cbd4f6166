//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// handles has handles on several segments wherever they may be.
type handles struct {
	Sum    *value.Atomic[int64]
	Plain  *value.Value[float64]
	List   []*value.Atomic[int64]
	ByName map[string]*value.Atomic[int64]
	Inner  struct{ Sum *value.Atomic[int64] }
	None   *value.Atomic[int64]
	Seg    *shm.Segment
}

var addUp = process.Func("addUp", func(ctx context.Context, h handles) error {
	h.Sum.Add(1)
	for _, a := range h.List {
		a.Add(10)
	}
	for _, a := range h.ByName {
		a.Add(100)
	}
	h.Inner.Sum.Add(1000)
	if h.None != nil {
		return errors.New("a nil handle became one")
	}
	viaSegment, err := value.OpenAtomic[int64](ctx, h.Seg, "a")
	if err != nil {
		return err
	}
	viaSegment.Add(10000)
	return h.Plain.Store(ctx, 3.1415927)
})

func anonymous(t *testing.T) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seg.Close() })
	return seg
}

func number(t *testing.T, seg *shm.Segment, name string) *value.Atomic[int64] {
	t.Helper()
	a, err := value.CreateAtomic[int64](t.Context(), seg, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestHandlesTravel(t *testing.T) {
	one := anonymous(t)
	dir := t.TempDir()
	two, err := shm.Create(t.Context(), "two", shm.Spec{}, &shm.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	a, b := number(t, one, "a"), number(t, two, "b")
	plain, err := value.Create(t.Context(), one, "plain", 0.0)
	if err != nil {
		t.Fatal(err)
	}
	// The child comes by descriptors: the name need not exist any more.
	if err := shm.Remove("two", &shm.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	leaks := noLeaks(t)
	h := handles{Sum: a, Plain: plain, List: []*value.Atomic[int64]{a, b}, ByName: map[string]*value.Atomic[int64]{"b": b}, Seg: one}
	h.Inner.Sum = b
	if err := addUp.Run(deadline(t), h); err != nil {
		t.Fatal(err)
	}
	if a.Load() != 10011 || b.Load() != 1110 || plain.Load() != 3.1415927 {
		t.Errorf("the child left %d, %d and %v", a.Load(), b.Load(), plain.Load())
	}
	leaks()
	for _, seg := range []*shm.Segment{one, two} {
		if err := seg.Check(); err != nil {
			t.Error(err)
		}
	}
}

var increment = process.Func("increment", func(_ context.Context, a *value.Atomic[int64]) error {
	if a.Add(1) < 0 {
		panic("overflow")
	}
	return nil
})

func TestAHandleAsTheArgument(t *testing.T) {
	a := number(t, anonymous(t), "a")
	var children []*process.Child
	for range 10 {
		children = append(children, start(t, increment.Command(a)))
	}
	if err := process.Wait(deadline(t), children...); err != nil {
		t.Error(err)
	}
	if a.Load() != 10 {
		t.Errorf("ten children have counted to %d", a.Load())
	}
}

// A child that returns has not died, whatever it has left open; one that
// panics has.
func TestOnlyDeathsAreDeaths(t *testing.T) {
	seg := anonymous(t)
	a := number(t, seg, "a")
	deaths := make(chan shm.Death, 1)
	told := seg.Deaths(t.Context()) // of those who die from now on
	go func() {
		for d, err := range told {
			if err != nil {
				return
			}
			deaths <- d
		}
	}()
	for range 3 {
		if err := increment.Run(deadline(t), a); err != nil {
			t.Fatal(err)
		}
	}
	a.Store(-10)
	cmd, _ := quiet(increment.Command(a))
	child := start(t, cmd)
	<-child.Done()
	select {
	case d := <-deaths:
		if d.Participant.PID != child.PID() {
			t.Errorf("%v has died, want only process %d", d, child.PID())
		}
	case <-deadline(t).Done():
		t.Error("the death of a child that panicked is not told")
	}
}

func TestClosedHandlesDoNotTravel(t *testing.T) {
	seg := anonymous(t)
	a := number(t, seg, "a")
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func(context.Context) (*process.Child, error){
		"closed": starting(increment, a),
		"zero":   starting(increment, new(value.Atomic[int64])),
	} {
		if child, err := start(t.Context()); child != nil || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a %s handle: %v, %v", name, child, err)
		}
	}
	if child, err := takesAny.Start(t.Context(), withAny{a}); child != nil || !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a handle in an interface: %v, %v", child, err)
	}
}

// pass hands its argument on to a child of its own.
var pass = process.Func("pass", func(ctx context.Context, a *value.Atomic[int64]) error {
	return increment.Run(ctx, a)
})

func TestHandlesTravelOn(t *testing.T) {
	a := number(t, anonymous(t), "a")
	if err := pass.Run(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	if a.Load() != 1 {
		t.Error(fmt.Sprint("a grandchild has counted to ", a.Load()))
	}
}
