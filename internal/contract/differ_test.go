package contract

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
)

// differs checks that err says what differs in object x.
func differs(t *testing.T, what string, err error, field string) {
	t.Helper()
	var e *shm.IncompatibleError
	switch {
	case !errors.As(err, &e) || !errors.Is(err, shm.ErrIncompatible):
		t.Errorf("%s: %v, want a *shm.IncompatibleError", what, err)
	case e.Object != "x" || e.Segment == "" || !strings.EqualFold(e.Field, field) || e.Have == "" || e.Want == "" || e.Have == e.Want:
		t.Errorf("%s: %+v, want the field %s of x, and what it is", what, e, field)
	}
}

func TestAnotherKind(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		for _, other := range things() {
			if other.kind == th.kind {
				continue
			}
			_, err := other.open(t.Context(), h.Segment(), "x")
			differs(t, "Open as "+other.kind, err, "kind")
			_, err = other.orCreate(t.Context(), h.Segment(), "x")
			differs(t, "OpenOrCreate as "+other.kind, err, "kind")
			if _, err = other.create(t.Context(), h.Segment(), "x"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Create as %s: %v", other.kind, err)
			}
			text, err := h.MarshalText()
			if err != nil {
				t.Fatal(err)
			}
			differs(t, "UnmarshalText as "+other.kind, other.zero().UnmarshalText(text), "kind")
		}
	})
}

func TestAnotherType(t *testing.T) {
	each(t, func(t *testing.T, th thing, h handle) {
		if th.another == nil {
			t.Skip("has no element type")
		}
		_, err := th.another(t.Context(), h.Segment(), "x")
		differs(t, "Open with another type", err, "type")
	})
}

// A field that is set is compared, each by itself; see things for what is stored.
func TestAnotherSpec(t *testing.T) {
	wants := map[string]map[string]verb{
		"array": {
			"Len":     with(array.OpenOrCreate[int64], array.Spec{Len: 4}),
			"OnDeath": with(array.OpenOrCreate[int64], array.Spec{OnDeath: lock.Poison}),
		},
		"atomicarray": {"Len": with(array.OpenOrCreateAtomic[int64], array.Spec{Len: 4})},
		"mutex":       {"OnDeath": with(lock.OpenOrCreateMutex, lock.Spec{OnDeath: lock.Poison})},
		"rwmutex":     {"OnDeath": with(lock.OpenOrCreateRWMutex, lock.Spec{OnDeath: lock.Poison})},
		"table": {
			"Len":     with(lock.OpenOrCreateTable, lock.TableSpec{Len: 4}),
			"OnDeath": with(lock.OpenOrCreateTable, lock.TableSpec{OnDeath: lock.Poison}),
		},
		"barrier":   {"Parties": with(lock.OpenOrCreateBarrier, lock.BarrierSpec{Parties: 2})},
		"semaphore": {"Kind": with(semaphore.OpenOrCreate, semaphore.Spec{Kind: semaphore.Bounded})},
		"queue": {
			"Cap":      with(queue.OpenOrCreate[int64], queue.Spec{Cap: 4}),
			"Mode":     with(queue.OpenOrCreate[int64], queue.Spec{Mode: queue.SPSC}),
			"SlotSize": with(queue.OpenOrCreate[int64], queue.Spec{SlotSize: 17}),
			"MaxSize":  with(queue.OpenOrCreate[int64], queue.Spec{MaxSize: 33}),
			"Heap":     with(queue.OpenOrCreate[int64], queue.Spec{Heap: 1 << 20}),
		},
		"map": {"Cap": with(kv.OpenOrCreate[int64, int64], kv.Spec{Cap: 4})},
	}
	each(t, func(t *testing.T, th thing, h handle) {
		if th.spec != nil && len(wants[th.kind]) == 0 {
			t.Fatal("no spec that differs")
		}
		for field, orCreate := range wants[th.kind] {
			_, err := orCreate(t.Context(), h.Segment(), "x")
			differs(t, "OpenOrCreate with another "+field, err, field)
		}
	})
}

func TestNoRoom(t *testing.T) {
	for _, th := range things() {
		t.Run(th.kind, func(t *testing.T) {
			seg := shmtest.Segment(t, shm.Spec{Participants: 2, Size: 512 << 10, MaxSize: 512 << 10})
			fillers := 0
			for size := 256 << 10; size >= 4<<10; size /= 2 {
				_, err := array.Create[byte](t.Context(), seg, fmt.Sprint("filler", size), array.Spec{Len: size})
				if err == nil {
					fillers++
				} else if !errors.Is(err, shm.ErrNoSpace) {
					t.Fatal(err)
				}
			}
			var err error
			n := 0
			for ; err == nil; n++ {
				_, err = th.create(t.Context(), seg, fmt.Sprint("x", n))
			}
			var e *shm.SpaceError
			if !errors.As(err, &e) || !errors.Is(err, shm.ErrNoSpace) || e.Need <= e.Free || e.Limit == "" || e.Object != fmt.Sprint("x", n-1) {
				t.Errorf("after %d: %+v", n-1, err)
			}
			if objects, err := seg.Objects(); err != nil || len(objects) != fillers+n-1 {
				t.Errorf("%d objects, %v; made %d", len(objects), err, fillers+n-1)
			}
		})
	}
}

// openText opens what the texts name, in a process that was not told more.
var openText = process.Func("contract.openText", func(_ ctxt, texts map[string]string) error {
	for _, th := range things() {
		h := th.zero()
		if err := h.UnmarshalText([]byte(texts[th.kind])); err != nil {
			return fmt.Errorf("%s: %w", th.kind, err)
		}
		if h.Name() != th.kind {
			return fmt.Errorf("%s is called %q: %w", th.kind, h.Name(), errText)
		}
		if text, err := h.MarshalText(); err != nil || string(text) != texts[th.kind] {
			return fmt.Errorf("%s: text %q, %w", th.kind, text, errors.Join(err, errText))
		}
	}
	return nil
})

var errText = errors.New("not what the text named")

func TestTexts(t *testing.T) {
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(t.Context(), "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	texts := map[string]string{}
	for _, th := range things() {
		h, err := th.create(t.Context(), seg, th.kind)
		if err != nil {
			t.Fatal(err)
		}
		text, err := h.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		texts[th.kind] = string(text)
	}
	if err := openText.Run(t.Context(), texts); err != nil {
		t.Errorf("another process: %v", err)
	}
	again := func(t *testing.T) *shm.Segment {
		t.Helper()
		var first *shm.Segment
		for _, th := range things() {
			h := th.zero()
			if err := h.UnmarshalText([]byte(texts[th.kind])); err != nil {
				t.Fatalf("%s: %v", th.kind, err)
			}
			if first == nil {
				first = h.Segment()
			}
			if th.spec != nil && th.spec(h) == th.spec(th.zero()) {
				t.Errorf("%s has no spec", th.kind)
			}
		}
		return first
	}
	use := again(t)
	if err := use.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := seg.Stat(); err != nil {
		t.Errorf("closing the use of texts closed another one: %v", err)
	}
	if err := shm.Remove("s", opts); err != nil {
		t.Fatal(err)
	}
	if err := again(t).Close(); err != nil { // here it is open, so the name is not needed
		t.Error(err)
	}
	cmd := openText.Command(texts)
	cmd.Stderr = io.Discard // where it says what we expect
	if err := cmd.Run(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another process, after the name was removed: %v", err)
	}
	for _, th := range things() {
		for _, bad := range []string{"", "x", "#x", texts[th.kind] + "y", strings.TrimSuffix(texts[th.kind], th.kind), "shoal1:00:#x"} {
			if err := th.zero().UnmarshalText([]byte(bad)); err == nil {
				t.Errorf("%s: opened %q", th.kind, bad)
			}
		}
	}
}
