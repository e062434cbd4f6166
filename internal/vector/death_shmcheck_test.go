//go:build shmcheck

package vector_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/vector"
)

const split = 1 // of elements of 5 bytes, this one lies in two words

// TestSchedulesOfADeadWriter tries the orders of the steps of a writer that may
// die at each, its heir, and a reader.
func TestSchedulesOfADeadWriter(t *testing.T) {
	const before, after = 0x1111111111, 0x2222222222
	limits := explore.Limits{Switches: 2, Kills: 1}
	if testing.Short() {
		limits.Switches = 1
	}
	n := explore.All(limits, func() explore.Play {
		w := newWorld(t, 4, 5)
		writer, reader, next := w.join(2), w.join(3), w.join(4)
		put(t, next, split, before)
		var seen uint64
		return explore.Play{
			Actors: []func(){
				func() { put(t, writer, split, after) },
				func() { seen = get(reader, split) },
			},
			Heir: func() { w.die(2) },
			Verify: func(dead []int) {
				readerDied := len(dead) > 0 && dead[0] == 1
				if !readerDied && seen != before && seen != after {
					t.Errorf("torn: %x", seen)
				}
				if x := get(next, split); x != before && x != after || readerDied && x != after {
					t.Errorf("survivors see %x", x)
				}
				put(t, next, split, 0x3333333333)
				if x := get(reader, split); x != 0x3333333333 {
					t.Errorf("the next Set left %x", x)
				}
				if get(next, 0) != 0 || get(next, 2) != 0 {
					t.Error("a neighbour changed")
				}
				w.check()
			},
		}
	})
	t.Logf("%d schedules", n)
}

// TestSchedulesOfTwoReads has a reader look twice: the new element stays.
func TestSchedulesOfTwoReads(t *testing.T) {
	n := explore.All(explore.Limits{Switches: 3}, func() explore.Play {
		w := newWorld(t, 4, 5)
		writer, reader := w.join(2), w.join(3)
		var first, second uint64
		return explore.Play{
			Actors: []func(){
				func() { put(t, writer, split, 0x2222222222) },
				func() { first = get(reader, split); second = get(reader, split) },
			},
			Verify: func([]int) {
				for _, x := range []uint64{first, second} {
					if x != 0 && x != 0x2222222222 {
						t.Errorf("torn: %x", x)
					}
				}
				if second == 0 && first != 0 {
					t.Error("the element became what it was")
				}
			},
		}
	})
	t.Logf("%d schedules", n)
}

// TestSchedulesOfNeighbours has two writers of elements that share a word.
func TestSchedulesOfNeighbours(t *testing.T) {
	n := explore.All(explore.Limits{Switches: 3}, func() explore.Play {
		w := newWorld(t, 4, 5)
		first, second, reader := w.join(1), w.join(2), w.join(3)
		return explore.Play{
			Actors: []func(){
				func() { put(t, first, 0, 0x1111111111) }, // in one word, without the lock
				func() { put(t, second, split, 0x2222222222) },
			},
			Verify: func([]int) {
				if a, b := get(reader, 0), get(reader, split); a != 0x1111111111 || b != 0x2222222222 {
					t.Errorf("got %x, %x", a, b)
				}
			},
		}
	})
	t.Logf("%d schedules", n)
}

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
