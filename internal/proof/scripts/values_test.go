package scripts_test

import (
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/value"
)

type wide struct {
	A, B uint64
	C    [20]byte
	Ok   bool
}

func wideOf(n int) wide {
	w := wide{A: uint64(n), B: ^uint64(n), Ok: n%2 == 1}
	for i := range w.C {
		w.C[i] = byte(n + i)
	}
	return w
}

// FuzzValueScript compares a value and an atomic number with two variables.
func FuzzValueScript(f *testing.F) {
	const ops = 9
	f.Add(everything(ops))
	f.Fuzz(func(t *testing.T, script []byte) {
		tr := gather(t)
		var vs [size]*value.Value[wide]
		var as [size]*value.Atomic[int32]
		open := func(p int) {
			v, err := value.OpenOrCreate(bg(), tr.segs[p], "v", wideOf(1))
			vs[p] = must(tr, v, err)
			a, err := value.OpenOrCreateAtomic[int32](bg(), tr.segs[p], "a", 5)
			as[p] = must(tr, a, err)
		}
		for p := range vs {
			open(p)
		}
		now, number := wideOf(1), int32(5)
		tr.play(script, func(op, p, arg int) {
			switch op % ops {
			case 0:
				now = wideOf(arg)
				tr.same("Store", p, vs[p].Store(bg(), now), nil)
			case 1:
				tr.same("Update", p, vs[p].Update(bg(), func(w *wide) error {
					equal(tr, "Update's copy", p, *w, now)
					w.A += uint64(arg)
					now.A += uint64(arg)
					return nil
				}), nil)
			case 2:
				tr.same("Update", p, vs[p].Update(bg(), func(w *wide) error { *w = wide{}; return errNo }), errNo)
			case 3:
				x, err := vs[p].Wait(bg(), func(w wide) bool { return w == now })
				tr.same("Wait", p, err, nil)
				equal(tr, "Wait", p, x, now)
			case 4:
				number += int32(arg) << 24
				equal(tr, "Add", p, as[p].Add(int32(arg)<<24), number)
			case 5:
				equal(tr, "CompareAndSwap", p, as[p].CompareAndSwap(int32(arg), 7), int32(arg) == number)
				if number == int32(arg) {
					number = 7
				}
			case 6:
				equal(tr, "Swap", p, as[p].Swap(int32(arg)), number)
				number = int32(arg)
			case 7:
				tr.die(p)
				open(p)
			case 8:
				tr.close(p)
				open(p)
			}
			equal(tr, "Load", p, vs[p].Load(), now)
			equal(tr, "Load of the number", p, as[p].Load(), number)
		})
	})
}

// FuzzArrayScript compares an array, whose elements have a word each or lie across
// words, with a slice.
func FuzzArrayScript(f *testing.F) {
	const ops = 7
	for _, n := range []byte{1, 13, 64} {
		f.Add(true, n, everything(ops))
		f.Add(false, n, everything(ops))
	}
	f.Fuzz(func(t *testing.T, odd bool, n byte, script []byte) {
		if odd {
			arrayScript(t, int(n)+1, script, ops, func(x int) [3]byte { return [3]byte{byte(x), byte(x >> 3), ^byte(x)} })
		} else {
			arrayScript(t, int(n)+1, script, ops, func(x int) uint32 { return uint32(x) * 0x01010107 })
		}
	})
}

func arrayScript[T comparable](t *testing.T, n int, script []byte, ops int, of func(x int) T) {
	t.Helper()
	tr := gather(t)
	var as [size]*array.Array[T]
	open := func(p int) {
		a, err := array.OpenOrCreate[T](bg(), tr.segs[p], "a", array.Spec{Len: n})
		as[p] = must(tr, a, err)
	}
	for p := range as {
		open(p)
	}
	model := make([]T, n)
	some := func(count, from int) []T {
		list := make([]T, count)
		for i := range list {
			list[i] = of(from + i)
		}
		return list
	}
	tr.play(script, func(op, p, arg int) {
		a, i := as[p], arg%n
		switch op % ops {
		case 0, 1:
			a.Set(i, of(arg+tr.steps))
			model[i] = of(arg + tr.steps)
		case 2:
			src := some(arg%17, tr.steps)
			equal(tr, "CopyIn", p, a.CopyIn(i, src), copy(model[i:], src))
		case 3:
			dst := make([]T, arg%17)
			k := a.CopyOut(i, dst)
			equal(tr, "CopyOut", p, k, min(len(dst), n-i))
			equal(tr, "CopyOut's elements", p, slices.Equal(dst[:k], model[i:i+k]), true)
		case 4:
			tr.same("Do", p, a.Do(bg(), func(view []T) error { view[i] = of(arg); return errNo }), errNo)
			model[i] = of(arg)
		case 5:
			tr.die(p)
			open(p)
		case 6:
			tr.close(p)
			open(p)
		}
		a = as[p]
		equal(tr, "At", p, a.At(i), model[i])
		for i, x := range a.All() {
			equal(tr, "All", p, x, model[i])
		}
	})
}
