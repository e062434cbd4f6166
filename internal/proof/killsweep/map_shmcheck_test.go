//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of a map is its entries, as "a=1 b=2".
type mapState map[string]string

func parseMap(state string) mapState {
	s := mapState{}
	for field := range strings.FieldsSeq(state) {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			panic(state) // a fault of the table
		}
		s[key] = value
	}
	return s
}

func (s mapState) String() string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(s)) {
		list = append(list, key+"="+s[key])
	}
	return strings.Join(list, " ")
}

// mapRoom is how many entries fit.
const mapRoom = 4

// edits is the move of who changes the map at one instant; f returns what it says.
func edits(f func(s mapState) string) []move {
	return []move{func(state, _ string) []turn {
		s := parseMap(state)
		said := f(s)
		return []turn{{state: s.String(), said: said}}
	}}
}

// puts one entry, if there is room.
func (s mapState) put(key, value string) string {
	if _, there := s[key]; !there && len(s) == mapRoom {
		return "full"
	}
	s[key] = value
	return ""
}

type mapWorld[V any] struct {
	m  *kv.Map[string, V]
	to func(n int) V
	// from returns the number of which a value was made, or that it is torn.
	from func(x V) string
}

func mapStages() []*stage {
	text := func(x string) string {
		if len(x) == 0 || x != strings.Repeat(x[:1], 40+number(x[:1])) {
			return "torn " + x
		}
		return x[:1]
	}
	texts := mapStage("map of texts", mapWorld[string]{to: func(n int) string { return strings.Repeat(strconv.Itoa(n), 40+n) }, from: text})
	for _, op := range texts.operations {
		op.variant = true // of the same with values of fixed layout
	}
	return []*stage{mapStage("map", mapWorld[wide]{to: widen, from: wide.String}), texts}
}

func mapStage[V any](name string, w mapWorld[V]) *stage {
	return &stage{
		name: name, deep: name == "map",
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := kv.Create[string, V](ctx, seg, "m", kv.Spec{Cap: mapRoom})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			m, err := kv.Open[string, V](ctx, p.seg, "m")
			return &mapWorld[V]{m, w.to, w.from}, err
		},
		peers:      []string{"Store, new", "Delete", "Update", "Load"},
		operations: slices.Concat(mapStores[V](), mapDeletes[V](), mapReads[V]()),
	}
}

// room returns what Store and the like say.
func room(err error) (string, error) {
	if errors.Is(err, shm.ErrNoSpace) {
		return "full", nil
	}
	return "", err
}

func mapStores[V any]() []*operation {
	type w = *mapWorld[V]
	type c = context.Context
	store := func(key string) func(c, world) (string, error) {
		return on(func(ctx c, w w) (string, error) { return room(w.m.Store(ctx, key, w.to(5))) })
	}
	update := func(key string) func(c, world) (string, error) {
		return on(func(ctx c, w w) (string, error) {
			return room(w.m.Update(ctx, key, func(x *V, found bool) error {
				n := 0
				if found {
					n = number(w.from(*x))
				}
				*x = w.to(n + 4)
				return nil
			}))
		})
	}
	updates := func(key string) []move {
		return edits(func(s mapState) string {
			n := 0
			if s[key] != "" {
				n = number(s[key])
			}
			return s.put(key, strconv.Itoa(n+4))
		})
	}
	const two = "a=1 b=2"
	return []*operation{
		{
			name: "Store", covers: names("kv.Map.Store"), begin: two,
			moves: edits(func(s mapState) string { return s.put("a", "5") }), do: store("a"),
		},
		{
			name: "Store, new", covers: names("kv.Map.Store"), begin: two,
			moves: edits(func(s mapState) string { return s.put("e", "5") }), dies: stays, do: store("e"),
		},
		{
			name: "Store, full", covers: names("kv.Map.Store"), begin: "a=1 b=2 c=3 d=4", light: true,
			moves: edits(func(s mapState) string { return s.put("e", "5") }), do: store("e"),
		},
		{name: "Update", covers: names("kv.Map.Update"), begin: two, moves: updates("a"), do: update("a")},
		{name: "Update, new", covers: names("kv.Map.Update"), begin: two, moves: updates("f"), light: true, do: update("f")},
		{
			name: "LoadOrStore", covers: names("kv.Map.LoadOrStore"), begin: two, light: true,
			moves: edits(func(s mapState) string {
				if s["a"] != "" {
					return "found " + s["a"]
				}
				return s.put("a", "6")
			}),
			do: on(func(ctx c, w w) (string, error) {
				x, loaded, err := w.m.LoadOrStore(ctx, "a", w.to(6))
				if loaded {
					return "found " + w.from(x), err
				}
				return room(err)
			}),
		},
		{
			name: "LoadOrStore, new", covers: names("kv.Map.LoadOrStore"), begin: two,
			moves: edits(func(s mapState) string { return s.put("g", "6") }),
			do: on(func(ctx c, w w) (string, error) {
				_, loaded, err := w.m.LoadOrStore(ctx, "g", w.to(6))
				if loaded {
					return "found", err
				}
				return room(err)
			}),
		},
		{
			name: "CompareAndSwap", covers: names("kv.Map.CompareAndSwap"), begin: two, light: true,
			moves: edits(func(s mapState) string {
				if s["a"] != "1" {
					return "false"
				}
				s["a"] = "7"
				return "true"
			}),
			do: on(func(ctx c, w w) (string, error) {
				swapped, err := w.m.CompareAndSwap(ctx, "a", w.to(1), w.to(7))
				return strconv.FormatBool(swapped), err
			}),
		},
	}
}

func mapDeletes[V any]() []*operation {
	type w = *mapWorld[V]
	type c = context.Context
	return []*operation{
		{
			name: "Delete", covers: names("kv.Map.Delete"), begin: "a=1 b=2",
			moves: edits(func(s mapState) string { delete(s, "a"); return "" }),
			do:    quietly(func(ctx c, w w) error { return w.m.Delete(ctx, "a") }),
		},
		{
			name: "Delete, of four", covers: names("kv.Map.Delete"), begin: "a=1 b=2 c=3 d=4", variant: true,
			moves: edits(func(s mapState) string { delete(s, "b"); return "" }),
			do:    quietly(func(ctx c, w w) error { return w.m.Delete(ctx, "b") }),
		},
		{
			name: "LoadAndDelete", covers: names("kv.Map.LoadAndDelete"), begin: "a=1 b=2", light: true,
			moves: edits(func(s mapState) string {
				said := "no " + s["a"]
				if s["a"] != "" {
					said = "got " + s["a"]
				}
				delete(s, "a")
				return said
			}),
			do: on(func(ctx c, w w) (string, error) {
				x, err := w.m.LoadAndDelete(ctx, "a")
				if errors.Is(err, kv.ErrNotFound) {
					return "no ", nil
				}
				return "got " + w.from(x), err
			}),
		},
		{
			name: "CompareAndDelete", covers: names("kv.Map.CompareAndDelete"), begin: "a=1 b=2", light: true,
			moves: edits(func(s mapState) string {
				if s["a"] != "1" {
					return "false"
				}
				delete(s, "a")
				return "true"
			}),
			do: on(func(ctx c, w w) (string, error) {
				deleted, err := w.m.CompareAndDelete(ctx, "a", w.to(1))
				return strconv.FormatBool(deleted), err
			}),
		},
	}
}

func mapReads[V any]() []*operation {
	type w = *mapWorld[V]
	type c = context.Context
	return []*operation{
		{
			name: "Load", covers: names("kv.Map.Load"), begin: "a=1 b=2",
			moves: edits(func(s mapState) string { return "is " + s["a"] }),
			do: on(func(_ c, w w) (string, error) {
				x, err := w.m.Load("a")
				if errors.Is(err, kv.ErrNotFound) {
					return "is ", nil
				}
				return "is " + w.from(x), err
			}),
		},
		{
			name: "All", covers: names("kv.Map.All kv.Map.Len kv.Map.Cap"), begin: "a=1 b=2", moves: []move{stays},
			do: quietly(func(_ c, w w) error {
				_, err := w.entries()
				if n := w.m.Len(); n > w.m.Cap() {
					return fmt.Errorf("%d entries", n)
				}
				return err
			}),
		},
	}
}

// entries returns what All yields.
func (w *mapWorld[V]) entries() (mapState, error) {
	s := mapState{}
	for e, err := range w.m.All() {
		if err != nil {
			return nil, err
		}
		if _, twice := s[e.Key]; twice {
			return nil, fmt.Errorf("key %s comes twice", e.Key)
		}
		if s[e.Key] = w.from(e.Value); strings.HasPrefix(s[e.Key], "torn") {
			return nil, fmt.Errorf("key %s is %s", e.Key, s[e.Key])
		}
	}
	return s, nil
}

func (w *mapWorld[V]) begin(ctx context.Context, state string) error {
	want := parseMap(state)
	have, err := w.entries()
	if err != nil {
		return err
	}
	for key := range have {
		if err := w.m.Delete(ctx, key); err != nil {
			return err
		}
	}
	for key, value := range want {
		if err := w.m.Store(ctx, key, w.to(number(value))); err != nil {
			return err
		}
	}
	return nil
}

func (w *mapWorld[V]) state(context.Context) (string, error) {
	s, err := w.entries()
	if err != nil {
		return "", err
	}
	if n := w.m.Len(); n != len(s) {
		return "", fmt.Errorf("Len is %d, and there are %v", n, s)
	}
	for key, value := range s {
		if x, err := w.m.Load(key); err != nil || w.from(x) != value {
			return "", fmt.Errorf("key %s is %v, %w, and there are %v", key, x, err, s)
		}
	}
	return s.String(), nil
}

// work fills the map, changes all of it, and empties it.
func (w *mapWorld[V]) work(ctx context.Context) error {
	if err := w.begin(ctx, ""); err != nil {
		return err
	}
	for i := range mapRoom + 1 {
		said, err := room(w.m.Store(ctx, strconv.Itoa(i), w.to(i)))
		if full := i == mapRoom; err != nil || (said == "full") != full {
			return fmt.Errorf("entry %d: %q, %w", i, said, err)
		}
	}
	for i := range mapRoom {
		swapped, err := w.m.CompareAndSwap(ctx, strconv.Itoa(i), w.to(i), w.to(8-i))
		if err != nil || !swapped {
			return fmt.Errorf("entry %d is not as it was, %w", i, err)
		}
	}
	if s, err := w.state(ctx); err != nil || s != "0=8 1=7 2=6 3=5" {
		return fmt.Errorf("the map is %s, %w", s, err)
	}
	return w.begin(ctx, "")
}

func mapKind() kind {
	spec := kv.Spec{Cap: 100}
	return kind{
		name: "kv.%s", unmarshal: "kv.Map.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(kv.Create[string, string](ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(kv.Open[string, string](ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(kv.OpenOrCreate[string, string](ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(kv.Map[string, string]) },
		probe: func(ctx context.Context, h handle) error {
			m, err := as[kv.Map[string, string]](h)
			if err != nil {
				return err
			}
			if n := m.Len(); n != 0 {
				return fmt.Errorf("a new map has %d entries", n)
			}
			return m.Store(ctx, "k", "v") // for the next one that gets the memory
		},
	}
}
