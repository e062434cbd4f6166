package contract

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

// The rules here hold for every package. Each test goes through all types of
// handles and all of their methods.

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// each runs f on an object of every type in a fresh segment.
func each(t *testing.T, f func(t *testing.T, th thing, h handle)) {
	for _, th := range things() {
		t.Run(th.kind, func(t *testing.T) {
			h, err := th.create(t.Context(), shmtest.Segment(t, shm.Spec{}), "x")
			if err != nil {
				t.Fatal(err)
			}
			f(t, th, h)
		})
	}
}

func done(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// state is what can be seen of a segment's objects.
func state(t *testing.T, seg *shm.Segment) string {
	t.Helper()
	objects, err := seg.Objects()
	if err != nil {
		t.Fatal(err)
	}
	holds, err := seg.Holds()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, o := range objects {
		b.WriteString(o.Name + " " + o.Kind + " " + o.Spec + " " + o.State + "\n")
	}
	for _, h := range holds {
		b.WriteString(h.Object + " held as " + h.Kind + "\n")
	}
	return b.String()
}

func TestDoneContextIsAnError(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		before := state(t, h.Segment())
		for _, c := range th.calls {
			if !c.waits {
				continue
			}
			if err := c.do(done(t), h); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want context.Canceled", c, err)
			}
		}
		for name, v := range map[string]verb{"Create": th.create, "Open": th.open, "OpenOrCreate": th.orCreate} {
			for _, object := range []string{"x", "new"} {
				if _, err := v(done(t), h.Segment(), object); !errors.Is(err, context.Canceled) {
					t.Errorf("%s of %s: %v, want context.Canceled", name, object, err)
				}
			}
		}
		if after := state(t, h.Segment()); after != before {
			t.Errorf("something changed:\n%sto\n%s", before, after)
		}
	})
}

func TestZeroIsClosed(t *testing.T) {
	for _, th := range things() {
		t.Run(th.kind, func(t *testing.T) {
			h := th.zero()
			closed(t, th, h)
			if h.Name() != "" || h.Segment() != nil {
				t.Errorf("a zero handle is called %q, in %v", h.Name(), h.Segment())
			}
		})
	}
	for name, f := range verbs() {
		if err := f(t.Context(), new(shm.Segment), "x"); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s in a zero segment: %v", name, err)
		}
	}
}

// verbs are the verbs of all types.
func verbs() map[string]func(ctxt, segm, string) error {
	all := map[string]func(ctxt, segm, string) error{}
	for _, th := range things() {
		for name, v := range map[string]verb{"Create": th.create, "Open": th.open, "OpenOrCreate": th.orCreate} {
			all[name+" of "+th.kind] = func(ctx ctxt, seg segm, name string) error { return drop(v(ctx, seg, name)) }
		}
	}
	return all
}

// closed checks that h is closed. Calls that both wait and are closed may say
// either if their ctx is done.
func closed(t *testing.T, th thing, h handle) {
	t.Helper()
	for _, c := range th.calls {
		switch err := c.do(t.Context(), h); {
		case c.quiet && err != nil:
			t.Errorf("%s: %v, want zero", c, err)
		case !c.quiet && !errors.Is(err, fs.ErrClosed):
			t.Errorf("%s: %v, want fs.ErrClosed", c, err)
		}
	}
	if _, err := h.MarshalText(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("MarshalText: %v, want fs.ErrClosed", err)
	}
}

func TestClose(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		var spec any
		if th.spec != nil {
			spec = th.spec(h)
		}
		seg := h.Segment()
		if err := seg.Close(); err != nil {
			t.Fatal(err)
		}
		closed(t, th, h)
		if h.Name() != "x" || h.Segment() != seg {
			t.Errorf("called %q, in %v", h.Name(), h.Segment())
		}
		if th.spec != nil && th.spec(h) != spec {
			t.Errorf("spec is %+v, was %+v", th.spec(h), spec)
		}
		for _, v := range []verb{th.create, th.open, th.orCreate} {
			if _, err := v(t.Context(), seg, "x"); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("verb: %v", err)
			}
		}
		if err := seg.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestReadOnlySegment(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		f, err := h.Segment().File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		seg, err := shm.FromFile(t.Context(), f, &shm.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer seg.Close()
		r, err := th.open(t.Context(), seg, "x")
		if err != nil {
			t.Fatal(err)
		}
		before := state(t, seg)
		for _, c := range th.calls {
			err := c.do(t.Context(), r)
			switch {
			case c.writes && !errors.Is(err, fs.ErrPermission):
				t.Errorf("%s: %v, want fs.ErrPermission", c, err)
			case !c.writes && !c.quiet && err != nil:
				t.Errorf("%s: %v", c, err)
			}
		}
		if _, err := th.create(t.Context(), seg, "new"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Create: %v, want fs.ErrPermission", err)
		}
		if _, err := th.orCreate(t.Context(), seg, "x"); err != nil {
			t.Errorf("OpenOrCreate of what exists: %v", err)
		}
		if err := seg.Remove(t.Context(), "x"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Remove: %v", err)
		}
		if after := state(t, seg); after != before {
			t.Errorf("something changed:\n%sto\n%s", before, after)
		}
	})
}

func TestVerbs(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		ctx, seg := t.Context(), h.Segment()
		if _, err := th.create(ctx, seg, "x"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create of what exists: %v", err)
		}
		if _, err := th.open(ctx, seg, "y"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of what does not: %v", err)
		}
		before := state(t, seg)
		for name, v := range map[string]verb{"Open": th.open, "OpenOrCreate with a zero Spec": th.orCreate} {
			other, err := v(ctx, seg, "x")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if th.spec != nil && th.spec(other) != th.spec(h) {
				t.Errorf("%s: spec %+v, stored is %+v", name, th.spec(other), th.spec(h))
			}
		}
		if after := state(t, seg); after != before {
			t.Errorf("something changed:\n%sto\n%s", before, after)
		}
		if err := seg.Remove(ctx, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := th.open(ctx, seg, "x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open after Remove: %v", err)
		}
		for _, c := range th.calls { // the old handle still works
			if c.panics {
				if err := c.do(ctx, h); err != nil {
					t.Errorf("%s after Remove: %v", c, err)
				}
			}
		}
		if _, err := th.create(ctx, seg, "x"); err != nil {
			t.Errorf("Create after Remove: %v", err)
		}
	})
}

func TestObjectNames(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	for verb, f := range verbs() {
		for _, name := range []string{"", ".x", "..", "a b", "a#b", "ä", "a\x00", "a\\b", strings.Repeat("x", 65)} {
			if err := f(t.Context(), seg, name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q: %v, want fs.ErrInvalid", verb, name, err)
			}
		}
	}
	for _, name := range []string{"a", "a/b/c", "A-Z_0.9", strings.Repeat("x", 64)} {
		if _, err := value.CreateAtomic(t.Context(), seg, name, 1); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if objects, err := seg.Objects(); err != nil || len(objects) != 4 {
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

func TestImpossibleSpecs(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	for name, v := range map[string][]verb{
		"array":       specs(array.Create[int64], array.Spec{}, array.Spec{Len: -1}, array.Spec{Len: 1, OnDeath: 3}),
		"atomicarray": specs(array.CreateAtomic[int64], array.Spec{}, array.Spec{Len: -1}, array.Spec{Len: 1, OnDeath: 3}),
		"mutex":       specs(lock.CreateMutex, lock.Spec{OnDeath: 3}),
		"rwmutex":     specs(lock.CreateRWMutex, lock.Spec{OnDeath: 3}),
		"table":       specs(lock.CreateTable, lock.TableSpec{}, lock.TableSpec{Len: -1}, lock.TableSpec{Len: 1, OnDeath: 3}, lock.TableSpec{Len: 1<<20 + 1}),
		"barrier":     specs(lock.CreateBarrier, lock.BarrierSpec{}, lock.BarrierSpec{Parties: -1}, lock.BarrierSpec{Parties: 1 << 15}),
		"semaphore": specs(semaphore.Create, semaphore.Spec{}, semaphore.Spec{Permits: -1}, semaphore.Spec{Permits: 1, Kind: 3},
			semaphore.Spec{Permits: -1, Kind: semaphore.Signal}),
		"queue": specs(queue.Create[string], queue.Spec{Cap: -1}, queue.Spec{Mode: 3}, queue.Spec{SlotSize: -1},
			queue.Spec{MaxSize: -1}, queue.Spec{Heap: -1}),
		"map":                 specs(kv.Create[string, any], kv.Spec{Cap: -1}, kv.Spec{Cap: 1 << 28}, kv.Spec{KeySize: -1}, kv.Spec{ValueSize: -1}, kv.Spec{KeySize: 1 << 20}),
		"map of fixed layout": specs(kv.Create[int64, int64], kv.Spec{KeySize: 9}, kv.Spec{ValueSize: 4}, kv.Spec{KeySize: -8}),
	} {
		for i, create := range v {
			if _, err := create(t.Context(), seg, "x"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s, spec %d: %v, want fs.ErrInvalid", name, i, err)
			}
		}
	}
	if objects, err := seg.Objects(); err != nil || len(objects) != 0 {
		t.Errorf("made %v, %v", objects, err)
	}
}

func specs[H handle, S any](f func(ctxt, segm, string, S) (H, error), all ...S) []verb {
	var v []verb
	for _, s := range all {
		v = append(v, with(f, s))
	}
	return v
}
