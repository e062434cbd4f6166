//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// A kind of object can be created, opened, and sent as a text. The state of its
// stage is whether the object is "there" or "absent".
type kind struct {
	name string // what its functions end in, as "lock.%sMutex"
	// create, open and openOrCreate do so with the object "new".
	create, open, openOrCreate func(ctx context.Context, seg *shm.Segment) (handle, error)
	// zero returns a zero handle.
	zero func() handle
	// probe finds out whether the object is as it was made.
	probe func(ctx context.Context, h handle) error
	// unmarshal is the name of the method.
	unmarshal string
	// light: another kind's sweep is in full; of this one some points are tried.
	light bool
}

// handle is what all handles can do.
type handle interface {
	MarshalText() ([]byte, error)
	UnmarshalText(text []byte) error
}

// kinds returns all kinds of objects. The machinery below is the same: only some
// are swept in full.
func kinds() []kind {
	return []kind{valueKind(), atomicKind(), arrayKind(), numbersKind(), mutexKind(), semaphoreKind(), queueKind(), eventKind(), barrierKind(), rwKind(), condKind(), mapKind(), tableKind()}
}

// object is what all objects are called.
const objectName = "new"

// as returns h as a *T; the table is wrong if it is none.
func as[T any](h handle) (*T, error) {
	x, ok := h.(any).(*T)
	if !ok {
		return nil, fmt.Errorf("the handle is a %T", h)
	}
	return x, nil
}

// some hides that a handle is nil after an error.
func some[H handle](h H, err error) (handle, error) { return h, err }

func valueKind() kind {
	return kind{
		name: "value.%s", unmarshal: "value.Value.UnmarshalText",
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.Create(ctx, seg, objectName, widen(5)))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.Open[wide](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.OpenOrCreate(ctx, seg, objectName, widen(5)))
		},
		zero: func() handle { return new(value.Value[wide]) },
		probe: func(_ context.Context, h handle) error {
			v, err := as[value.Value[wide]](h)
			if err == nil && v.Load() != widen(5) {
				return fmt.Errorf("the new value is %v", v.Load())
			}
			return err
		},
	}
}

func atomicKind() kind {
	return kind{
		name: "value.%sAtomic", unmarshal: "value.Atomic.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.CreateAtomic(ctx, seg, objectName, 5))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.OpenAtomic[int](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(value.OpenOrCreateAtomic(ctx, seg, objectName, 5))
		},
		zero: func() handle { return new(value.Atomic[int]) },
		probe: func(_ context.Context, h handle) error {
			a, err := as[value.Atomic[int]](h)
			if err == nil && a.Load() != 5 {
				return fmt.Errorf("the new atomic is %v", a.Load())
			}
			return err
		},
	}
}

// large is so long that the segment has to grow.
const large = 1 << 18

func arrayKind() kind {
	spec := array.Spec{Len: large}
	return kind{
		name: "array.%s", unmarshal: "array.Array.UnmarshalText",
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.Create[uint64](ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.Open[uint64](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.OpenOrCreate[uint64](ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(array.Array[uint64]) },
		probe: func(_ context.Context, h handle) error {
			a, err := as[array.Array[uint64]](h)
			if err != nil {
				return err
			}
			for i, x := range a.All() { // not by View, which keeps the memory
				if x != 0 {
					return fmt.Errorf("element %d of a new array is %d", i, x)
				}
			}
			for i := 0; i < large; i += 509 {
				a.Set(i, 1) // for the next one that gets the memory
			}
			return nil
		},
	}
}

func numbersKind() kind {
	spec := array.Spec{Len: items}
	return kind{
		name: "array.%sAtomic", unmarshal: "array.Atomic.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.CreateAtomic[int](ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.OpenAtomic[int](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(array.OpenOrCreateAtomic[int](ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(array.Atomic[int]) },
		probe: func(_ context.Context, h handle) error {
			a, err := as[array.Atomic[int]](h)
			if err == nil && a.Add(0, 1) != 1 {
				return errors.New("a new array does not begin with 0")
			}
			return err
		},
	}
}

func mutexKind() kind {
	var spec lock.Spec
	return kind{
		name: "lock.%sMutex", unmarshal: "lock.Mutex.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.CreateMutex(ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenMutex(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenOrCreateMutex(ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(lock.Mutex) },
		probe: func(ctx context.Context, h handle) error {
			m, err := as[lock.Mutex](h)
			if err != nil {
				return err
			}
			return m.Do(ctx, func() error { return nil })
		},
	}
}

func semaphoreKind() kind {
	spec := semaphore.Spec{Permits: permits}
	return kind{
		name: "semaphore.%s", unmarshal: "semaphore.Semaphore.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(semaphore.Create(ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(semaphore.Open(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(semaphore.OpenOrCreate(ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(semaphore.Semaphore) },
		probe: func(_ context.Context, h handle) error {
			s, err := as[semaphore.Semaphore](h)
			if err != nil {
				return err
			}
			return errors.Join(s.TryAcquire(permits), s.Release(permits))
		},
	}
}

func queueKind() kind {
	return kind{
		name: "queue.%s", unmarshal: "queue.Queue.UnmarshalText",
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(queue.Create[[]byte](ctx, seg, objectName, queueSpec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(queue.Open[[]byte](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(queue.OpenOrCreate[[]byte](ctx, seg, objectName, queueSpec))
		},
		zero: func() handle { return new(queue.Queue[[]byte]) },
		probe: func(ctx context.Context, h handle) error {
			q, err := as[queue.Queue[[]byte]](h)
			if err != nil {
				return err
			}
			return (&queueWorld{nil, q, sizes[0]}).work(ctx)
		},
	}
}

func eventKind() kind {
	return kind{
		name: "lock.%sEvent", unmarshal: "lock.Event.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.CreateEvent(ctx, seg, objectName))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenEvent(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenOrCreateEvent(ctx, seg, objectName))
		},
		zero: func() handle { return new(lock.Event) },
		probe: func(_ context.Context, h handle) error {
			e, err := as[lock.Event](h)
			if err == nil && e.IsSet() {
				return errors.New("a new event is up")
			}
			return err
		},
	}
}

func barrierKind() kind {
	spec := lock.BarrierSpec{Parties: 2}
	return kind{
		name: "lock.%sBarrier", unmarshal: "lock.Barrier.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.CreateBarrier(ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenBarrier(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenOrCreateBarrier(ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(lock.Barrier) },
		probe: func(ctx context.Context, h handle) error {
			b, err := as[lock.Barrier](h)
			if err != nil {
				return err
			}
			return (&barrierWorld{b}).work(ctx)
		},
	}
}

// directoryWorld has one object of a kind.
type directoryWorld struct {
	kind kind
	seg  *shm.Segment
	text []byte // of the object
}

func directoryStages() []*stage {
	var list []*stage
	for _, k := range kinds() {
		list = append(list, directoryStage(k))
	}
	return list
}

func directoryStage(k kind) *stage {
	type w = *directoryWorld
	type c = context.Context
	called := func(verb string) string { return fmt.Sprintf(k.name, verb) }
	appears := []move{becomes("absent", "there")}
	return &stage{
		name: "objects by " + called(""),
		spec: shm.Spec{Size: 1 << 20},
		open: func(_ c, p place) (world, error) { return &directoryWorld{kind: k, seg: p.seg}, nil },
		operations: []*operation{
			{
				name: "Create", covers: names(called("Create")), begin: "absent", moves: appears, light: k.light, variant: k.light,
				do: quietly(func(ctx c, w w) error {
					_, err := k.create(ctx, w.seg)
					return err
				}),
			},
			{
				name: "OpenOrCreate creates", covers: names(called("OpenOrCreate")), begin: "absent", moves: appears, light: true, variant: k.light,
				do: quietly(func(ctx c, w w) error {
					_, err := k.openOrCreate(ctx, w.seg)
					return err
				}),
			},
			{
				name: "OpenOrCreate opens", covers: names(called("OpenOrCreate")), begin: "there", moves: []move{stays}, light: true, variant: k.light,
				do: quietly(func(ctx c, w w) error {
					_, err := k.openOrCreate(ctx, w.seg)
					return err
				}),
			},
			{
				name: "Open", covers: names(called("Open")), begin: "there", moves: []move{stays}, light: k.light, variant: k.light,
				do: quietly(func(ctx c, w w) error {
					_, err := k.open(ctx, w.seg)
					return err
				}),
			},
			{
				name: "UnmarshalText", covers: names(k.unmarshal), begin: "there", moves: []move{stays}, light: true, variant: k.unmarshal != "value.Value.UnmarshalText", everywhere: true,
				before: prior(func(ctx c, w w) error {
					h, err := k.open(ctx, w.seg)
					if err != nil {
						return err
					}
					w.text, err = h.MarshalText()
					return errors.Join(err, w.seg.Close())
				}),
				do: quietly(func(_ c, w w) error { return k.zero().UnmarshalText(w.text) }),
			},
			{
				name: "Remove", covers: names("shm.Segment.Remove"), begin: "there", moves: []move{becomes("there", "absent")}, light: k.light, variant: k.light,
				do: quietly(func(ctx c, w w) error { return w.seg.Remove(ctx, objectName) }),
			},
		},
	}
}

func (w *directoryWorld) begin(ctx context.Context, state string) error {
	if err := w.remove(ctx); err != nil || state == "absent" {
		return err
	}
	_, err := w.kind.create(ctx, w.seg)
	return err
}

// remove takes the object away, and lets go of its memory.
func (w *directoryWorld) remove(ctx context.Context) error {
	err := w.seg.Remove(ctx, objectName)
	runtime.GC()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (w *directoryWorld) state(ctx context.Context) (string, error) {
	h, err := w.kind.open(ctx, w.seg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "absent", nil
	case err != nil:
		return "", err
	}
	return "there", w.kind.probe(ctx, h)
}

func (w *directoryWorld) work(ctx context.Context) error {
	if err := w.remove(ctx); err != nil {
		return err
	}
	if _, err := w.kind.create(ctx, w.seg); err != nil {
		return err
	}
	if _, err := w.kind.create(ctx, w.seg); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a second Create returns %w", err)
	}
	if _, err := w.state(ctx); err != nil {
		return err
	}
	if err := w.remove(ctx); err != nil {
		return err
	}
	_, err := w.kind.openOrCreate(ctx, w.seg)
	return err
}
