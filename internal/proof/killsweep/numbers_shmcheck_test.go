//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of a table is what each of its two numbers is: "free", "taken",
// "poisoned", or taken and its mutex "held" by the survivor, or by the process that
// is named.
type tableWorld struct {
	seg  *shm.Segment
	t    *lock.Table
	held *lock.Mutex // by the survivor
}

func tableStage() *stage {
	return &stage{
		name: "table",
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := lock.CreateTable(ctx, seg, "t", lock.TableSpec{Len: 2})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			t, err := lock.OpenTable(ctx, p.seg, "t")
			return &tableWorld{seg: p.seg, t: t}, err
		},
		peers:      []string{"Alloc and Free", "Do", "AllocAt"},
		operations: append(tableNumbers(), tableLocks()...),
	}
}

// ofNumber is a move of f on number i.
func ofNumber(i int, f func(is, me string) []turn) move {
	return func(state, me string) []turn {
		numbers := strings.Fields(state)
		turns := f(numbers[i], me)
		for k := range turns {
			numbers[i] = turns[k].state
			turns[k].state = strings.Join(numbers, " ")
		}
		return turns
	}
}

// allocs is the move of who takes any number.
func allocs(state, me string) []turn {
	var turns []turn
	for i := range strings.Fields(state) {
		for _, t := range ofNumber(i, allocsAt)(state, me) {
			if t.said == "" {
				turns = append(turns, turn{state: t.state, said: fmt.Sprint(i)})
			}
		}
	}
	if turns == nil {
		return []turn{{state: state, said: "full", over: true}}
	}
	return turns
}

func allocsAt(is, _ string) []turn {
	if is == "free" {
		return []turn{{state: "taken"}}
	}
	return []turn{{state: is, said: "taken", over: true}}
}

func frees(is, _ string) []turn {
	switch is {
	case "free":
		return []turn{{state: is, said: "missing", over: true}}
	case "taken", "poisoned":
		return []turn{{state: "free"}}
	}
	return []turn{{state: is, said: "locked", over: true}}
}

// locksNumber is a move of who locks the mutex of a number that was taken.
func locksNumber(is, me string) []turn {
	switch is {
	case "taken":
		return []turn{{state: me}}
	case "free":
		return []turn{{state: is, said: "missing", over: true}}
	case "poisoned":
		return []turn{{state: is, said: "poisoned", over: true}}
	}
	return nil
}

func unlocksNumber(is, me string) []turn {
	if is == me {
		return []turn{{state: "taken"}}
	}
	return nil
}

// tableDies is what the death of a process does to the mutexes that it holds.
func tableDies(state, me string) []turn {
	numbers := strings.Fields(state)
	for i := range numbers {
		if numbers[i] == me {
			numbers[i] = "poisoned"
		}
	}
	return []turn{{state: strings.Join(numbers, " ")}}
}

// numberRefusal is refusal for numbers, too.
func numberRefusal(err error) (string, error) {
	switch {
	case errors.Is(err, lock.ErrTableFull):
		return "full", nil
	case errors.Is(err, fs.ErrExist):
		return "taken", nil
	case errors.Is(err, fs.ErrNotExist):
		return "missing", nil
	}
	return refusal(err)
}

// tableNumbers are the operations on numbers.
func tableNumbers() []*operation {
	type w = *tableWorld
	type c = context.Context
	alloc := on(func(_ c, w w) (string, error) {
		i, err := w.t.Alloc()
		if err != nil {
			return numberRefusal(err)
		}
		return fmt.Sprint(i), nil
	})
	allocAt := on(func(_ c, w w) (string, error) { return numberRefusal(w.t.AllocAt(0)) })
	free := on(func(_ c, w w) (string, error) { return numberRefusal(w.t.Free(0)) })
	at, freed := []move{ofNumber(0, allocsAt)}, []move{ofNumber(0, frees)}
	unheld := &relief{moves: []move{becomes("held free", "taken free")}, do: relieve(func(_ c, w w) error { return w.held.Unlock() })}
	look := on(func(_ c, w w) (string, error) { return w.look(), nil })
	return []*operation{
		{name: "Alloc", covers: names("lock.Table.Alloc"), begin: "free free", moves: []move{allocs}, do: alloc},
		{name: "Alloc, one is left", covers: names("lock.Table.Alloc"), begin: "free taken", moves: []move{allocs}, do: alloc},
		{name: "Alloc, full", covers: names("lock.Table.Alloc"), begin: "taken taken", moves: []move{allocs}, do: alloc},
		{name: "AllocAt", covers: names("lock.Table.AllocAt"), begin: "free free", moves: at, do: allocAt},
		{name: "AllocAt, taken", covers: names("lock.Table.AllocAt"), begin: "taken free", moves: at, do: allocAt},
		{name: "Free", covers: names("lock.Table.Free"), begin: "taken free", moves: freed, do: free},
		{name: "Free, free", covers: names("lock.Table.Free"), begin: "free taken", moves: freed, do: free},
		{name: "Free, held", covers: names("lock.Table.Free"), begin: "held free", moves: freed, relief: unheld, do: free},
		{
			name: "Free, poisoned", covers: names("lock.Table.Free"), begin: "taken free", first: "Lock", from: "poisoned free",
			moves: freed, do: free,
		},
		{
			name: "Alloc and Free", covers: names("lock.Table.Alloc lock.Table.Free"), begin: "free taken",
			moves: []move{muted(allocs), muted(ofAny(frees))},
			do: quietly(func(_ c, w w) error {
				i, err := w.t.Alloc()
				if errors.Is(err, lock.ErrTableFull) {
					return nil
				} else if err != nil {
					return err
				}
				if err := w.t.Free(i); !errors.Is(err, fs.ErrNotExist) { // another one may have freed it
					return err
				}
				return nil
			}),
		},
		{name: "All", covers: names("lock.Table.All lock.Table.At"), begin: "taken taken", moves: []move{says}, light: true, do: look},
	}
}

// ofAny is a move of f on one number that was taken, or on none.
func ofAny(f func(is, me string) []turn) move {
	return func(state, me string) []turn {
		turns := []turn{{state: state}}
		for i, is := range strings.Fields(state) {
			if is == "taken" {
				turns = append(turns, ofNumber(i, f)(state, me)...)
			}
		}
		return turns
	}
}

// muted is m of one that does not tell.
func muted(m move) move {
	return func(state, me string) []turn {
		turns := m(state, me)
		for i := range turns {
			turns[i].said = ""
		}
		return turns
	}
}

// tableLocks are the operations on the mutexes.
func tableLocks() []*operation {
	type w = *tableWorld
	type c = context.Context
	locks, unlocks := ofNumber(0, locksNumber), ofNumber(0, unlocksNumber)
	lockFirst := prior(func(ctx c, w w) error { return w.t.At(0).Lock(ctx) })
	do := on(func(ctx c, w w) (string, error) {
		return numberRefusal(w.t.At(0).Do(ctx, func() error { return nil }))
	})
	lockIt := on(func(ctx c, w w) (string, error) { return numberRefusal(w.t.At(0).Lock(ctx)) })
	unheld := &relief{moves: []move{becomes("held free", "taken free")}, do: relieve(func(_ c, w w) error { return w.held.Unlock() })}
	gone := &relief{
		moves: []move{becomes("held free", "taken free"), muted(ofNumber(0, frees))},
		do: relieve(func(_ c, w w) error {
			_, err := numberRefusal(errors.Join(w.held.Unlock(), w.t.Free(0)))
			return err
		}),
	}
	return []*operation{
		{name: "Lock", covers: names("lock.Mutex.Lock"), begin: "taken free", moves: []move{locks}, dies: tableDies, do: lockIt},
		{name: "Lock, held", covers: names("lock.Mutex.Lock"), begin: "held free", moves: []move{locks}, dies: tableDies, relief: unheld, do: lockIt},
		{name: "Lock, held and freed", covers: names("lock.Mutex.Lock"), begin: "held free", moves: []move{locks}, dies: tableDies, relief: gone, do: lockIt},
		{name: "Do", covers: names("lock.Mutex.Do"), begin: "taken free", moves: []move{locks, unlocks}, dies: tableDies, do: do},
		{
			name: "Unlock and Free", covers: names("lock.Mutex.Unlock lock.Table.Free"), begin: "taken free", before: lockFirst, from: "v free",
			moves: []move{unlocks, ofNumber(0, frees)}, dies: tableDies, do: on(func(_ c, w w) (string, error) { return w.unlockAndFree() }),
		},
		{
			name: "Unlock and Free, another waits", covers: names("lock.Table.Free"), begin: "taken free", before: lockFirst, from: "v free",
			beside: "Do", moves: []move{unlocks, ofNumber(0, frees)}, dies: tableDies,
			do: on(func(_ c, w w) (string, error) { return w.unlockAndFree() }),
		},
		{
			name: "Close, holding", covers: names("shm.Segment.Close"), begin: "taken free", before: lockFirst, from: "v free",
			moves: []move{becomes("v free", "poisoned free")}, dies: tableDies, everywhere: true, variant: true,
			do: quietly(func(_ c, w w) error { return w.seg.Close() }),
		},
	}
}

// look returns which numbers are taken, and holds nothing.
func (w *tableWorld) look() string {
	numbers := []string{"free", "free"}
	for i := range w.t.All() {
		numbers[i] = "taken"
		if _, held := w.t.At(i).Holder(); held {
			numbers[i] = "held"
		}
	}
	return strings.Join(numbers, " ")
}

func (w *tableWorld) unlockAndFree() (string, error) {
	if err := w.t.At(0).Unlock(); err != nil {
		return "", err
	}
	return numberRefusal(w.t.Free(0))
}

func (w *tableWorld) begin(ctx context.Context, state string) error {
	for i := range maps.Collect(w.t.All()) {
		if err := w.t.Free(i); err != nil {
			return err
		}
	}
	for i, is := range strings.Fields(state) {
		if is == "free" {
			continue
		}
		if err := w.t.AllocAt(i); err != nil {
			return err
		}
		if is == "held" {
			w.held = w.t.At(i)
			if err := w.held.Lock(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *tableWorld) state(context.Context) (string, error) {
	numbers := []string{"free", "free"}
	for i, m := range w.t.All() {
		switch said, err := numberRefusal(m.TryLock()); {
		case said == "missing": // freed meanwhile
		case said != "":
			numbers[i] = said
		case err != nil:
			return "", err
		default:
			numbers[i] = "taken"
			if err := m.Unlock(); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(numbers, " "), nil
}

func (w *tableWorld) work(ctx context.Context) error {
	for i := range maps.Collect(w.t.All()) {
		if err := w.t.Free(i); err != nil {
			return err
		}
	}
	for range 2 {
		var mutexes []*lock.Mutex
		for range w.t.Len() {
			i, err := w.t.Alloc()
			if err != nil {
				return err
			}
			m := w.t.At(i)
			if err := m.Lock(ctx); err != nil {
				return err
			}
			mutexes = append(mutexes, m)
		}
		if _, err := w.t.Alloc(); !errors.Is(err, lock.ErrTableFull) {
			return fmt.Errorf("a full table: Alloc returns %w", err)
		}
		for _, m := range mutexes {
			if err := m.Unlock(); err != nil {
				return err
			}
		}
		for i := range w.t.Len() {
			if err := w.t.Free(i); err != nil {
				return err
			}
		}
		for _, m := range mutexes {
			if err := m.TryLock(); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("a freed number: TryLock returns %w", err)
			}
		}
	}
	return nil
}

func tableKind() kind {
	spec := lock.TableSpec{Len: 3}
	return kind{
		name: "lock.%sTable", unmarshal: "lock.Table.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.CreateTable(ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenTable(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenOrCreateTable(ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(lock.Table) },
		probe: func(_ context.Context, h handle) error {
			t, err := as[lock.Table](h)
			if err == nil && t.Len() != 3 {
				return fmt.Errorf("the new table has %d mutexes", t.Len())
			}
			return err
		},
	}
}
