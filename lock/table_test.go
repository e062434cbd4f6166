package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

func createTable(tb testing.TB, seg *shm.Segment, spec lock.TableSpec) *lock.Table {
	tb.Helper()
	table, err := lock.CreateTable(tb.Context(), seg, "table", spec)
	want(tb, "CreateTable", err, nil)
	return table
}

func alloc(tb testing.TB, table *lock.Table) int {
	tb.Helper()
	i, err := table.Alloc()
	want(tb, "Alloc", err, nil)
	return i
}

type tableArgs struct {
	Table *lock.Table
	Mutex *lock.Mutex
	Users *array.Atomic[int64] // by number: how many use it
	Count *value.Atomic[int64]
}

var (
	// tableHolds locks a number of its own, and the mutex that it is given.
	tableHolds = process.Func("lock-table-holds", func(ctx context.Context, a tableArgs) error {
		i, err := a.Table.Alloc()
		if err == nil {
			err = errors.Join(a.Table.At(i).Lock(ctx), a.Mutex.Lock(ctx))
		}
		if err != nil {
			return err
		}
		a.Count.Add(1)
		<-ctx.Done()
		return ctx.Err()
	})
	// tableChurns takes, locks and frees numbers until it is killed.
	tableChurns = process.Func("lock-table-churns", func(ctx context.Context, a tableArgs) error {
		for ctx.Err() == nil {
			i, err := a.Table.Alloc()
			if errors.Is(err, lock.ErrTableFull) {
				continue
			} else if err != nil {
				return err
			}
			a.Count.Add(1)
			if n := a.Users.Add(i, 1); n != 1 {
				return fmt.Errorf("%d have number %d: %w", n, i, errStep)
			}
			m := a.Table.At(i)
			if err := errors.Join(m.Do(ctx, func() error { return nil }), m.Lock(ctx), m.Unlock()); err != nil {
				return err
			}
			a.Users.Add(i, -1)
			if err := a.Table.Free(i); err != nil {
				return err
			}
		}
		return nil
	})
)

func TestTable(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		table := createTable(t, seg, lock.TableSpec{Len: 3})
		if got, wants := table.Spec(), (lock.TableSpec{Len: 3, OnDeath: lock.Poison}); got != wants || table.Len() != 3 {
			t.Errorf("%+v of %d, want %+v", got, table.Len(), wants)
		}
		same, err := lock.OpenTable(t.Context(), seg, "table")
		want(t, "OpenTable", err, nil)
		i, j := alloc(t, table), alloc(t, same)
		if i == j {
			t.Fatalf("number %d twice", i)
		}
		want(t, "AllocAt", table.AllocAt(j), fs.ErrExist)
		want(t, "AllocAt", table.AllocAt(3-i-j), nil)
		_, err = same.Alloc()
		want(t, "Alloc", err, lock.ErrTableFull)
		m := table.At(j)
		want(t, "Lock", m.Lock(t.Context()), nil)
		want(t, "Free", same.Free(j), lock.ErrLocked)
		want(t, "Unlock by another handle", same.At(j).Unlock(), nil)
		want(t, "Free", same.Free(j), nil)
		want(t, "Free", same.Free(j), fs.ErrNotExist)
		want(t, "Lock", m.Lock(t.Context()), fs.ErrNotExist)
		want(t, "AllocAt", table.AllocAt(j), nil)
		want(t, "Lock of the one before", m.TryLock(), fs.ErrNotExist)
		want(t, "Do", table.At(j).Do(t.Context(), func() error { return nil }), nil)
		want(t, "Free", table.Free(i), nil)
		var numbers []int
		for k, m := range table.All() {
			numbers = append(numbers, k)
			want(t, "Do", m.Do(t.Context(), func() error { return nil }), nil)
			if m.Name() != "table" || m.Segment() != seg || m.Spec() != (lock.Spec{OnDeath: lock.Poison}) {
				t.Errorf("mutex %d: %s, %+v", k, m.Name(), m.Spec())
			}
		}
		if wants := slices.Sorted(slices.Values([]int{j, 3 - i - j})); !slices.Equal(numbers, wants) {
			t.Errorf("All: %v, want %v", numbers, wants)
		}
		want(t, "Lock of none", table.At(i).Lock(t.Context()), fs.ErrNotExist)
	})
}

func TestTableNumbers(t *testing.T) {
	table := createTable(t, heap(t), lock.TableSpec{Len: 2, OnDeath: lock.Release})
	for _, i := range []int{-1, 2, 1 << 40} {
		want(t, "AllocAt", table.AllocAt(i), fs.ErrInvalid)
		want(t, "Free", table.Free(i), fs.ErrInvalid)
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("At(%d) is a mutex", i)
				}
			}()
			table.At(i)
		}()
	}
}

// What waits for a number that is freed learns of that.
func TestTableFreeEndsWaits(t *testing.T) {
	seg := heap(t)
	table := createTable(t, seg, lock.TableSpec{Len: 1})
	i := alloc(t, table)
	other, err := lock.OpenTable(t.Context(), peer(t, seg), "table")
	want(t, "OpenTable", err, nil)
	m := table.At(i)
	want(t, "Lock", m.Lock(t.Context()), nil)
	waits := async(func() error { return other.At(i).Do(t.Context(), func() error { return nil }) })
	until(t, "it waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Unlock", m.Unlock(), nil)
	until(t, "Free", func() bool { return !errors.Is(table.Free(i), lock.ErrLocked) })
	if err := await(t, "the waiter", waits); err != nil { // else it had the mutex first
		want(t, "Do", err, fs.ErrNotExist)
	}
}

func TestTableRepair(t *testing.T) {
	seg := heap(t)
	table := createTable(t, seg, lock.TableSpec{Len: 2})
	dead := peer(t, seg)
	theirs, err := lock.OpenTable(t.Context(), dead, "table")
	want(t, "OpenTable", err, nil)
	i := alloc(t, theirs)
	want(t, "Lock", theirs.At(i).Lock(t.Context()), nil)
	want(t, "Close", dead.Close(), nil)
	repaired := 0
	m := table.At(i)
	want(t, "Lock", m.Lock(t.Context()), lock.ErrPoisoned)
	m.Repair = func() error { repaired++; return nil }
	want(t, "Lock", m.Lock(t.Context()), nil)
	want(t, "Unlock", m.Unlock(), nil)
	want(t, "Lock of another handle", table.At(i).TryLock(), nil)
	if repaired != 1 {
		t.Errorf("%d repairs", repaired)
	}
}

// The text of a mutex names its allotment, not just its number.
func TestTableMutexTravels(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	table := createTable(t, seg, lock.TableSpec{Len: 4})
	want(t, "AllocAt", table.AllocAt(3), nil)
	m := table.At(3)
	text, err := m.MarshalText()
	want(t, "MarshalText", err, nil)
	var same lock.Mutex
	want(t, "UnmarshalText", same.UnmarshalText(text), nil)
	want(t, "Lock", same.Lock(t.Context()), nil)
	want(t, "Unlock", m.Unlock(), nil)
	again, err := same.MarshalText()
	want(t, "MarshalText", err, nil)
	if string(again) != string(text) {
		t.Errorf("%s, and then %s", text, again)
	}
	want(t, "Free", table.Free(3), nil)
	want(t, "AllocAt", table.AllocAt(3), nil)
	var late lock.Mutex
	want(t, "UnmarshalText", late.UnmarshalText(text), nil)
	want(t, "Lock", late.Lock(t.Context()), fs.ErrNotExist)
	for _, spoilt := range []string{"~7", "~7.", "~7.4.1", "~7.-1.1", "~7.0.x", "~7.0", "~6", "~99", "~x", "~7.0.1.1"} {
		bad := strings.Replace(string(text), text0(text), spoilt, 1)
		if err := new(lock.Mutex).UnmarshalText([]byte(bad)); !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, shm.ErrIncompatible) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// text0 returns the part of a mutex's text that follows the name of its object.
func text0(text []byte) string { return string(text[strings.IndexByte(string(text), '~'):]) }

// A condition can belong to a mutex of a table, and then to one allotment of it.
func TestTableCond(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	table := createTable(t, seg, lock.TableSpec{Len: 2})
	i, j := alloc(t, table), alloc(t, table)
	c, err := lock.CreateCond(t.Context(), table.At(i), "cond")
	want(t, "CreateCond", err, nil)
	_, err = lock.OpenCond(t.Context(), table.At(j), "cond")
	want(t, "OpenCond with another", err, shm.ErrIncompatible)
	text, err := c.MarshalText()
	want(t, "MarshalText", err, nil)
	var same lock.Cond
	want(t, "UnmarshalText", same.UnmarshalText(text), nil)
	up := false
	done := async(func() error {
		return c.Mutex().Do(t.Context(), func() error { return c.WaitFor(t.Context(), func() bool { return up }) })
	})
	until(t, "it waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Do", table.At(i).Do(t.Context(), func() error { up = true; return same.Broadcast() }), nil)
	want(t, "the waiter", await(t, "the waiter", done), nil)
	want(t, "Free", table.Free(i), nil)
	want(t, "AllocAt", table.AllocAt(i), nil)
	want(t, "Signal", c.Signal(), fs.ErrNotExist)
	_, err = lock.OpenCond(t.Context(), table.At(i), "cond")
	want(t, "OpenCond with the next one", err, shm.ErrIncompatible)
}

// TestTableOwnerIsKilled kills a child that holds a number of its own and one of
// this process.
func TestTableOwnerIsKilled(t *testing.T) {
	for _, policy := range []lock.OnDeath{lock.Poison, lock.Release} {
		t.Run(policy.String(), func(t *testing.T) {
			files(t, func(t *testing.T, seg *shm.Segment) {
				table := createTable(t, seg, lock.TableSpec{Len: 3, OnDeath: policy})
				a := tableArgs{Table: table, Mutex: table.At(alloc(t, table)), Count: createCount(t, seg, "n")}
				users, err := array.CreateAtomic[int64](t.Context(), seg, "users", array.Spec{Len: 3})
				want(t, "CreateAtomic", err, nil)
				a.Users = users
				child, err := tableHolds.Start(t.Context(), a)
				want(t, "Start", err, nil)
				reaches(t, a.Count, 1)
				taken := maps.Collect(table.All())
				if len(taken) != 2 {
					t.Fatalf("taken %v", taken)
				}
				want(t, "TryLock", a.Mutex.TryLock(), lock.ErrLocked)
				waits := async(func() error { return a.Mutex.Lock(t.Context()) })
				until(t, "it waits", func() bool { return waiting(t, seg, 1) })
				shmtest.Kill(t, child)
				met := map[lock.OnDeath]error{lock.Poison: lock.ErrPoisoned}[policy]
				want(t, "Lock", await(t, "the waiter", waits), met)
				if met == nil {
					want(t, "Unlock", a.Mutex.Unlock(), nil)
				}
				for i, m := range taken { // they stay taken
					want(t, "AllocAt", table.AllocAt(i), fs.ErrExist)
					want(t, "Recover", m.Recover(t.Context(), func() error { return nil }), nil)
					want(t, "Do", m.Do(t.Context(), func() error { return nil }), nil)
					want(t, "Free", table.Free(i), nil)
				}
				for range table.Len() {
					alloc(t, table)
				}
			})
		})
	}
}

// TestTableChurn kills children that take and free numbers, at moments that nobody
// chose: each leaves at most one number taken, and all can be had again.
// Conformance: RCL-04.
func TestTableChurn(t *testing.T) {
	const n, crowd = 6, 3
	rounds := 20
	if testing.Short() || race.Enabled {
		rounds = 4
	}
	seg := shmtest.Segment(t, shm.Spec{})
	table := createTable(t, seg, lock.TableSpec{Len: n, OnDeath: lock.Release})
	users, err := array.CreateAtomic[int64](t.Context(), seg, "users", array.Spec{Len: n})
	want(t, "CreateAtomic", err, nil)
	a := tableArgs{Table: table, Mutex: table.At(0), Users: users, Count: createCount(t, seg, "n")}
	for range rounds {
		var children []*process.Child
		for range crowd {
			child, err := tableChurns.Start(t.Context(), a)
			want(t, "Start", err, nil)
			children = append(children, child)
		}
		reaches(t, a.Count, a.Count.Load()+200)
		for _, child := range children {
			shmtest.Kill(t, child)
			var e *process.ExitError
			if err := child.Wait(t.Context()); !errors.As(err, &e) || e.Signal != syscall.SIGKILL {
				t.Fatalf("a child has ended by itself: %v", err)
			}
		}
		left := 0
		for i, m := range table.All() {
			want(t, "Do", m.Do(t.Context(), func() error { return nil }), nil)
			want(t, "Free", table.Free(i), nil)
			left++
		}
		for i := range n {
			users.Store(i, 0)
		}
		if left > crowd {
			t.Fatalf("%d killed ones have left %d numbers", crowd, left)
		}
		for range n {
			alloc(t, table)
		}
		_, err := table.Alloc()
		want(t, "Alloc of a full table", err, lock.ErrTableFull)
		for i := range n {
			want(t, "Free", table.Free(i), nil)
		}
		want(t, "Check", seg.Check(), nil)
	}
}

func TestTableClosed(t *testing.T) {
	seg := heap(t)
	table := createTable(t, seg, lock.TableSpec{Len: 2})
	i := alloc(t, table)
	m := table.At(i)
	want(t, "Lock", m.Lock(t.Context()), nil)
	all := table.All()
	want(t, "Close", seg.Close(), nil)
	for _, table := range []*lock.Table{table, new(lock.Table)} {
		if table.Len() != 0 {
			t.Errorf("Len is %d", table.Len())
		}
		_, err := table.Alloc()
		want(t, "Alloc", err, fs.ErrClosed)
		want(t, "AllocAt", table.AllocAt(0), fs.ErrClosed)
		want(t, "Free", table.Free(0), fs.ErrClosed)
		for name, f := range map[string]func(){
			"At":  func() { table.At(0) },
			"All": func() { _ = maps.Collect(table.All()) },
		} {
			func() {
				defer func() {
					err, _ := recover().(error)
					want(t, name, err, fs.ErrClosed)
				}()
				f()
			}()
		}
	}
	func() {
		defer func() {
			err, _ := recover().(error)
			want(t, "All begun before", err, fs.ErrClosed)
		}()
		_ = maps.Collect(all)
	}()
	want(t, "Unlock", m.Unlock(), fs.ErrClosed)
}
