package lock

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"strconv"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/table"
	"github.com/shoal-ipc/shoal/shm"
)

// ErrTableFull is returned by Table.Alloc when all numbers are taken.
var ErrTableFull = table.ErrFull

// TableSpec is the geometry of a Table. It is stored with it. A zero field means
// the default at creation, and "any" at opening.
type TableSpec struct {
	Len     int     // mutexes; at least 1 at creation, at most 1048576
	OnDeath OnDeath // of each of them; default Poison
}

func (s TableSpec) request(name string) (object.Request, error) {
	if s.Len < 0 || s.OnDeath > Release {
		return object.Request{}, fmt.Errorf("lock: spec {Len: %d, OnDeath: %d}: %w", s.Len, s.OnDeath, fs.ErrInvalid)
	}
	policy := s.OnDeath
	if policy == 0 {
		policy = Poison
	}
	return object.Request{
		Name: name, Kind: table.Kind(), Spec: object.Spec{table.SpecLen: uint64(s.Len), table.SpecPolicy: uint64(policy)},
		Match: func(_ string, stored object.Spec) *object.Mismatch {
			if have := stored[table.SpecLen]; s.Len != 0 && have != uint64(s.Len) {
				return &object.Mismatch{Field: "Len", Have: strconv.FormatUint(have, 10), Want: strconv.Itoa(s.Len)}
			}
			if have := OnDeath(stored[table.SpecPolicy]); s.OnDeath != 0 && have != s.OnDeath {
				return &object.Mismatch{Field: "OnDeath", Have: have.String(), Want: s.OnDeath.String()}
			}
			return nil
		},
	}, nil
}

// Table is a fixed number of mutexes that are allocated and freed by number: for
// programs that keep a number with each thing that they lock, in a database, say.
// Its methods may be called at once by any number of goroutines and processes, and
// none blocks. A zero Table is a closed one; UnmarshalText makes it one to use.
//
// A number stays taken until Free, whoever dies. The owner of a mutex that dies is
// met as for any Mutex.
//
// Methods with an error result fail with fs.ErrClosed after Segment.Close, and with
// a *shm.CorruptError if the table's memory is damaged; Alloc, AllocAt and Free
// fail with fs.ErrPermission on a read-only segment, and for a number that is
// negative or not below Len AllocAt and Free fail with fs.ErrInvalid.
type Table struct {
	base
	core *table.Table
}

// CreateTable makes the table name in seg. It fails with fs.ErrExist if an object
// has that name, fs.ErrInvalid if the name or spec is impossible, or a
// *shm.SpaceError. It waits only for the segment's other structural changes.
func CreateTable(ctx context.Context, seg *shm.Segment, name string, spec TableSpec) (*Table, error) {
	return openTable(ctx, seg, name, spec, handle.Create)
}

// OpenTable opens the table name in seg. It fails with fs.ErrNotExist if there is
// none, or a *shm.IncompatibleError if the name is another kind of object's.
func OpenTable(ctx context.Context, seg *shm.Segment, name string) (*Table, error) {
	return openTable(ctx, seg, name, TableSpec{}, handle.Open)
}

// OpenOrCreateTable opens the table name in seg, whatever numbers are taken, or
// makes it. It fails with a *shm.IncompatibleError if there is one that differs in
// a field that spec names, and otherwise as CreateTable and OpenTable do.
func OpenOrCreateTable(ctx context.Context, seg *shm.Segment, name string, spec TableSpec) (*Table, error) {
	return openTable(ctx, seg, name, spec, handle.OpenOrCreate)
}

func openTable(ctx context.Context, seg *shm.Segment, name string, spec TableSpec, how verb) (*Table, error) {
	req, err := spec.request(name)
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, req)
	if err != nil {
		return nil, err
	}
	return attachTable(h)
}

func attachTable(h handle.Handle) (*Table, error) {
	core, err := table.New(handle.UseOf(&h), handle.ObjectOf(&h))
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &Table{base: h, core: core}, nil
}

// UnmarshalText makes t the table that text, from MarshalText of any process,
// names. It opens the segment once a process, and waits for that at most ten
// seconds. Nobody may use t meanwhile.
func (t *Table) UnmarshalText(text []byte) error {
	opened, err := openText(text, OpenTable)
	if err != nil {
		return err
	}
	*t = *opened
	return nil
}

// Spec returns the geometry of the table.
func (t *Table) Spec() TableSpec {
	if t.core == nil {
		return TableSpec{}
	}
	return TableSpec{Len: t.core.Len(), OnDeath: OnDeath(t.core.Policy())}
}

// Len returns the number of mutexes, allocated or not. It is zero after
// Segment.Close.
func (t *Table) Len() int {
	if t.core == nil || handle.UseOf(&t.base).Closed() {
		return 0
	}
	return t.core.Len()
}

// Alloc takes a free number, or fails with ErrTableFull. It prefers numbers that
// have been free for long. If the process dies inside, a number may be taken that
// nobody knows.
func (t *Table) Alloc() (int, error) {
	if t.core == nil {
		return 0, errClosed()
	}
	i, err := t.core.Alloc()
	return i, public(&t.base, err)
}

// AllocAt takes number i. It fails with fs.ErrExist if it is taken.
func (t *Table) AllocAt(i int) error {
	if err := t.invalid(i); err != nil {
		return err
	}
	return public(&t.base, t.core.AllocAt(i))
}

// Free gives number i back. It fails with ErrLocked if somebody holds its mutex,
// and with fs.ErrNotExist if it is not taken. Handles on the mutex fail with
// fs.ErrNotExist from then on, also those that wait for it, and even when the number
// is taken again. A mutex that is poisoned can be freed: what it protected is given
// up. If the process dies inside, the number is taken, or free.
func (t *Table) Free(i int) error {
	if err := t.invalid(i); err != nil {
		return err
	}
	return public(&t.base, t.core.Free(i))
}

// invalid returns an error if there can be no number i.
func (t *Table) invalid(i int) error {
	if t.core == nil {
		return errClosed()
	}
	if n := t.core.Len(); i < 0 || i >= n {
		return fmt.Errorf("lock: number %d of %d: %w", i, n, fs.ErrInvalid)
	}
	return nil
}

// At returns a new handle on mutex i. It is good for as long as the number is not
// freed; all its methods but Holder fail with fs.ErrNotExist then, and if i is not
// taken now. It panics if there is no number i, and after Segment.Close with an
// error that is fs.ErrClosed.
func (t *Table) At(i int) *Mutex {
	if t.core == nil {
		panic(errClosed())
	}
	a, err := t.core.Allotment(i)
	if err != nil {
		panic(public(&t.base, err))
	}
	return t.mutex(i, a)
}

func (t *Table) mutex(i int, a robust.Allotment) *Mutex {
	return &Mutex{base: t.base, core: t.core.Mutex(i, a), number: i, allotment: a}
}

// All yields the numbers that are taken, in order, and their mutexes. Numbers that
// are taken or freed meanwhile may be missing or be there. It panics after
// Segment.Close with an error that is fs.ErrClosed.
func (t *Table) All() iter.Seq2[int, *Mutex] {
	return func(yield func(int, *Mutex) bool) {
		if t.core == nil {
			panic(errClosed())
		}
		for i := range t.core.Len() {
			a, err := t.core.Allotment(i)
			if err != nil {
				panic(public(&t.base, err))
			}
			if a.Taken() && !yield(i, t.mutex(i, a)) {
				return
			}
		}
	}
}
