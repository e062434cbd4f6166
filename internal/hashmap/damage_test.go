package hashmap_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// TestDamage has bytes in a map that no correct process writes: they are errors, and
// nobody waits, or loops, for long.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(w world, bucket uint32){
		"restless":        func(w world, b uint32) { w.core.Unsettle(b) },
		"loop":            func(w world, b uint32) { w.core.Tie(b) },
		"link to nowhere": func(w world, b uint32) { w.core.Lead(b, 5) },
		"long value":      func(w world, b uint32) { w.core.SetLength(b, 1<<40) },
		"all alive":       func(w world, _ uint32) { w.core.Revive() },
	} {
		t.Run(name, func(t *testing.T) {
			spec := small
			spec.Values = hashmap.Encoded
			w := newWorld(spec)
			p, r := w.join(1), w.join(0)
			same, _ := w.inChain(3)
			stage.Want(t, "Store", w.store(p, same[0], 1), nil)
			stage.Want(t, "Store", w.store(p, same[1], 2), nil)
			bucket := w.core.BucketOf(same[0])
			damage(w, bucket)
			if name != "long value" && w.Faults() == nil {
				t.Error("Check finds nothing")
			}
			for _, key := range []string{same[0], same[1], same[2]} {
				for _, p := range []party{p, r} {
					_, err := w.load(p, key)
					corrupt(t, err, passable[name](key, same))
				}
			}
			for _, p := range []party{p, r} {
				_, err := w.all(p)
				corrupt(t, err, name == "all alive")
			}
			err := w.store(p, same[2], 3)
			corrupt(t, err, name != "loop" && name != "link to nowhere")
			w.Die(2)
			_ = w.Faults()
		})
	}
}

// passable says which keys can be looked for in spite of a damage. The chain has the
// second key first, and not the third one.
var passable = map[string]func(key string, same []string) bool{
	"restless":        func(key string, same []string) bool { return key == same[2] },
	"loop":            func(key string, same []string) bool { return key == same[1] },
	"link to nowhere": func(string, []string) bool { return false },
	"long value":      func(key string, same []string) bool { return key != same[1] },
	"all alive":       func(string, []string) bool { return true },
}

// corrupt fails the test if err is neither a *mem.Corruption nor, if it may be so, nil.
func corrupt(t *testing.T, err error, mayBe bool) {
	t.Helper()
	if _, ok := errors.AsType[*mem.Corruption](err); !ok && (!mayBe || err != nil) {
		t.Errorf("got %v", err)
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 0)
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0}, 80)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255}, 81)
	f.Fuzz(func(t *testing.T, bytes []byte, where int) {
		spec := small
		if len(bytes)%2 == 1 {
			spec.Values = hashmap.Encoded
		}
		stage.Hostile(t, hashmap.Kind(), object.Shape{Spec: spec.Pack(), Slots: slots}, stage.Scribble{Bytes: bytes, Where: where & 255}, func(s *stage.Stage) {
			w := world{s, s.Core.(*hashmap.Core), spec} //nolint:errcheck // its own kind
			p := w.join(2)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			defer cancel()
			for i := range 6 {
				key := fmt.Appendf(nil, "k%d", i)
				_ = p.Store(ctx, key, w.value(uint64(i)))
				_, _ = p.Load(key, make([]byte, spec.ValueSize))
				if i%2 == 1 {
					_ = p.Delete(ctx, key)
				}
			}
			_, _ = w.all(p)
			_ = p.Len()
		})
	})
}
