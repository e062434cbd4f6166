//go:build shmcheck

package vector_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/vector"
)

const split = 1 // of elements of 5 bytes, this one lies in two words

// TestRepairerDies kills a writer at each step, and who repairs it at each step.
func TestRepairerDies(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, 4, 5)
		died := explore.KillAt(n, func() { put(t, w.join(2), split, 0x2222222222) })
		noted := vector.Sequence(w.core) != 0
		for k := 1; explore.KillAt(k, func() { w.die(2) }); k++ {
		}
		w.die(2)
		want := uint64(0)
		if noted {
			want = 0x2222222222
		}
		if x := get(w.join(3), split); x != want {
			t.Errorf("step %d: %x, want %x", n, x, want)
		}
		w.check()
		if !died {
			return
		}
	}
}

func put(t *testing.T, p *vector.Parts, i int64, x uint64) {
	t.Helper()
	if err := p.Store(i, x); err != nil {
		t.Error(err)
	}
}

func get(p *vector.Parts, i int64) uint64 { return p.Load(i) & 0xffffffffff }
