package scripts_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

// thing is an object that the model knows of: an array that is full of one number.
type thing struct {
	mark    uint64
	n       int
	handles [size]*array.Array[uint64]
}

// FuzzDirectoryScript makes, opens, removes and fills objects. The names there are
// must be the model's, and no two objects, also those whose name is gone but that
// somebody still has open, may share memory.
func FuzzDirectoryScript(f *testing.F) {
	const ops = 8
	f.Add(everything(ops))
	f.Add([]byte{0, 255, 6, 255, 3, 255, 0, 250, 9, 250, 1, 255, 4, 3, 18, 0, 2, 9, 5, 200})
	f.Fuzz(func(t *testing.T, script []byte) {
		tr := gather(t)
		d := &directory{tr: tr, named: map[string]*thing{}}
		tr.play(script, func(op, p, arg int) {
			name := fmt.Sprint("o", arg%7)
			switch op % ops {
			case 0, 1:
				d.create(p, name, 1+arg*arg/3)
			case 2:
				d.open(p, name)
			case 3:
				d.remove(p, name)
			case 4:
				d.fill(p, name, arg)
			case 5:
				tr.die(p)
				d.gone(p)
			case 6:
				tr.close(p)
				d.gone(p)
			case 7:
				d.list(p)
			}
			d.check(p)
		})
	})
}

type directory struct {
	tr    *troupe
	named map[string]*thing
	all   []*thing // also those whose name is gone
}

func (d *directory) create(p int, name string, n int) {
	a, err := array.Create[uint64](bg(), d.tr.segs[p], name, array.Spec{Len: n})
	if errors.Is(err, shm.ErrNoSpace) {
		return // how much there is depends on what others still have open
	}
	var want error
	if d.named[name] != nil {
		want = fs.ErrExist
	}
	d.tr.same("create", p, err, want)
	if err != nil {
		return
	}
	x := &thing{n: n}
	x.handles[p] = a
	d.named[name], d.all = x, append(d.all, x)
	for i, got := range a.All() {
		equal(d.tr, fmt.Sprint("new element ", i), p, got, 0)
	}
	d.fill(p, name, d.tr.steps)
}

func (d *directory) open(p int, name string) {
	a, err := array.Open[uint64](bg(), d.tr.segs[p], name)
	x := d.named[name]
	if x == nil {
		d.tr.same("open", p, err, fs.ErrNotExist)
		return
	}
	d.tr.same("open", p, err, nil)
	equal(d.tr, "Len", p, a.Len(), x.n)
	x.handles[p] = a
}

func (d *directory) remove(p int, name string) {
	var want error
	if d.named[name] == nil {
		want = fs.ErrNotExist
	}
	d.tr.same("remove", p, d.tr.segs[p].Remove(bg(), name), want)
	delete(d.named, name)
}

// fill gives an object that p has open another number.
func (d *directory) fill(p int, name string, arg int) {
	x := d.named[name]
	if x == nil || x.handles[p] == nil {
		return
	}
	x.mark = uint64(d.tr.steps)<<16 | uint64(arg)
	for i := range x.n {
		x.handles[p].Set(i, x.mark)
	}
}

// gone forgets the handles of a participant that is gone.
func (d *directory) gone(p int) {
	for _, x := range d.all {
		x.handles[p] = nil
	}
}

func (d *directory) list(p int) {
	objects, err := d.tr.segs[p].Objects()
	d.tr.same("Objects", p, err, nil)
	equal(d.tr, "Objects", p, len(objects), len(d.named))
	for _, o := range objects {
		equal(d.tr, o.Name, p, d.named[o.Name] != nil, true)
	}
}

// check looks whether every object that somebody has open holds its number.
func (d *directory) check(p int) {
	for _, x := range d.all {
		for q, h := range x.handles {
			if h == nil {
				continue
			}
			for i, got := range h.All() {
				if got != x.mark {
					d.tr.t.Fatalf("step %d, after participant %d: element %d of %q is %#x for participant %d, want %#x",
						d.tr.steps, p, i, h.Name(), got, q, x.mark)
				}
			}
		}
	}
}
