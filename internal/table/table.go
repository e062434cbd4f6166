package table

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// ErrFull is returned by Alloc when all numbers are taken.
var ErrFull = errors.New("lock: table full")

var errReadOnly = fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)

// Table is this process's side of a table. Its methods may be called at once by
// any number of goroutines; they pin the mapping themselves.
type Table struct {
	core   *Core
	use    *object.Use
	obj    *object.Object
	tokens *tokens
}

// tokens has what tells the race detector of hand-overs: those of one mutex say
// nothing about another one.
type tokens struct {
	mu sync.Mutex
	of map[int]*race.Token
}

func (t *tokens) at(i int) *race.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[i] == nil {
		t.of[i] = new(race.Token)
	}
	return t.of[i]
}

// New returns the process's side of the table obj.
func New(use *object.Use, obj *object.Object) (*Table, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	t := &Table{core: core, use: use, obj: obj}
	if race.Enabled && obj.Sync != nil {
		t.tokens, _ = obj.Local("table.tokens", func() any { return &tokens{of: map[int]*race.Token{}} }).(*tokens)
	}
	return t, nil
}

// Len returns the number of mutexes.
func (t *Table) Len() int { return len(t.core.mutexes) }

// Policy returns what becomes of a mutex if its owner dies.
func (t *Table) Policy() robust.Policy { return t.core.policy }

// Alloc takes a number, or fails with ErrFull, fs.ErrClosed, fs.ErrPermission or a
// *mem.Corruption. It never blocks.
func (t *Table) Alloc() (int, error) {
	m := t.use.Pin()
	if m == nil || t.use.ReadOnly {
		return 0, t.unusable()
	}
	defer runtime.KeepAlive(t)
	defer object.Unpin(m)
	var before uint64
	for looked := false; ; looked = true {
		i, sum, err := t.look()
		switch {
		case err != nil:
			return 0, err
		case i >= 0:
			return i, nil
		case looked && sum == before: // between the two nothing was given back
			return 0, ErrFull
		}
		before = sum
	}
}

// look takes the first free number that it comes by, or returns -1 and the sum of
// all allotments: since each only grows, two equal sums are of the same ones.
func (t *Table) look() (taken int, sum uint64, err error) {
	n := len(t.core.mutexes)
	first := int(t.core.head.next.Load() % uint32(n))
	for k := range n {
		i := (first + k) % n
		w := &t.core.mutexes[i]
		ok, err := w.Allot(offset(i))
		if err != nil {
			return 0, 0, err
		}
		if ok {
			t.core.head.next.Store(uint32(i + 1))
			return i, 0, nil
		}
		sum += uint64(w.Allotment())
	}
	return -1, sum, nil
}

// AllocAt takes number i, which must be one, or fails with fs.ErrExist, and
// otherwise as Alloc does.
func (t *Table) AllocAt(i int) error {
	m := t.use.Pin()
	if m == nil || t.use.ReadOnly {
		return t.unusable()
	}
	defer runtime.KeepAlive(t)
	defer object.Unpin(m)
	ok, err := t.core.mutexes[i].Allot(offset(i))
	if err == nil && !ok {
		return fmt.Errorf("lock: number %d is taken: %w", i, fs.ErrExist)
	}
	return err
}

// Free gives number i back, which must be one. It fails with robust.ErrLocked if
// somebody holds its mutex, fs.ErrNotExist if it is not taken, and otherwise as
// Alloc does.
func (t *Table) Free(i int) error {
	m := t.use.Pin()
	if m == nil || t.use.ReadOnly {
		return t.unusable()
	}
	defer runtime.KeepAlive(t)
	defer object.Unpin(m)
	return t.core.mutexes[i].Return(t.core.policy, t.obj.Shape.Slots, offset(i))
}

// Allotment returns what number i, which must be one, is now. It fails with
// fs.ErrClosed.
func (t *Table) Allotment(i int) (robust.Allotment, error) {
	m := t.use.PinAnyway()
	if m == nil {
		return 0, t.unusable()
	}
	a := t.core.mutexes[i].Allotment()
	object.Unpin(m)
	runtime.KeepAlive(t)
	return a, nil
}

// Mutex returns the mutex of the allotment a of number i, which must be one.
func (t *Table) Mutex(i int, a robust.Allotment) *robust.Mutex {
	sync := t.obj.Sync
	if t.tokens != nil {
		sync = t.tokens.at(i)
	}
	return robust.New(&t.core.mutexes[i], t.core.policy, t.use, t.obj).Of(a, sync)
}

func (t *Table) unusable() error {
	if t.use.Closed() {
		return fs.ErrClosed
	}
	return errReadOnly
}
