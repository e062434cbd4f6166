package kinds_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/kinds"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

const (
	last  = 32      // kinds that there can be
	most  = 1 << 18 // bytes of a region that is tried
	slots = 6
)

// walled is memory between two walls that nobody may touch.
type walled struct{ memory []byte }

func build(tb testing.TB) walled {
	tb.Helper()
	page := os.Getpagesize()
	all, err := syscall.Mmap(-1, 0, most+2*page, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err == nil {
		err = syscall.Mprotect(all[page:page+most], syscall.PROT_READ|syscall.PROT_WRITE)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = syscall.Munmap(all) })
	return walled{all[page : page+most : page+most]}
}

// region returns n zero bytes that end as near to the wall as their alignment lets
// them, or, if front, begin at the other one.
func (w walled) region(n int64, front byte) mem.Region {
	clear(w.memory)
	begin := (most - n) &^ (mem.CacheLine - 1)
	if front%2 == 1 {
		begin = 0
	}
	return mem.FromBytes(w.memory[begin : begin+n])
}

// FuzzKinds lets any bytes be an object of any kind and shape: it is attached or
// refused, and if attached it can be repaired, left, checked and shown; nothing
// panics, hangs or touches what lies outside of the region.
func FuzzKinds(f *testing.F) {
	shapes := map[uint32][]uint64{
		1: {40}, 2: {8}, 3: {100, 3, 1}, 4: {100, 8, 1}, 5: {1}, 6: {1}, 7: {16, 1}, 8: {0}, 9: {}, 10: {3},
		11: {3, 1}, 12: {5, 1, 64, 4096, 16384, 0}, 13: {4096, 4096}, 14: {64, 8, 8},
	}
	changes := [][]byte{
		{},
		{0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255},
		{0, 0, 4, 1, 0, 0, 0},
		{0, 0, 4, 3, 0, 0, 0x80},
		{16, 0, 4, 2, 0, 0, 0x20},
		{128, 0, 4, 1, 0, 0, 0},
		{192, 0, 1, 1, 200, 0, 8, 255, 255, 255, 255, 255, 255, 255, 127},
		{0, 2, 8, 255, 255, 255, 255, 255, 255, 255, 255},
		{128, 2, 8, 0, 0, 0, 0, 1, 0, 0, 0},
		{132, 1, 4, 2, 0, 0, 0},
		{128, 3, 8, 2, 0, 0, 0, 3, 0, 0, 0, 136, 3, 8, 255, 255, 255, 255, 255, 255, 255, 255},
	}
	for id, numbers := range shapes {
		var spec []byte
		for _, n := range numbers {
			spec = binary.LittleEndian.AppendUint64(spec, n)
		}
		for i, c := range changes {
			f.Add(byte(id), spec, c, byte(i))
		}
	}
	f.Add(byte(12), []byte{255, 255, 255, 255, 255, 255, 255, 255}, []byte{}, byte(0))
	w := build(f)
	f.Fuzz(func(t *testing.T, id byte, spec, changes []byte, dead byte) {
		kind := kinds.ByID(uint32(id) % last)
		if kind == nil {
			return
		}
		shape := object.Shape{Slots: slots}
		for i := range shape.Spec {
			var word [8]byte
			copy(word[:], spec[min(8*i, len(spec)):])
			shape.Spec[i] = binary.LittleEndian.Uint64(word[:])
		}
		n, err := kind.Size(shape)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Fatalf("%s %v: %v", kind.Name, shape.Spec, err)
			}
			return
		}
		if n < 0 || n > most {
			return
		}
		defer time.AfterFunc(time.Minute, func() { panic(kind.Name + " hangs") }).Stop()
		r := w.region(n, dead)
		if err := kind.Format(r, shape); err != nil {
			t.Fatalf("%s %v: format: %v", kind.Name, shape.Spec, err)
		}
		core, err := kind.Attach(r, shape)
		if err != nil {
			t.Fatalf("%s %v: attach to what was formatted: %v", kind.Name, shape.Spec, err)
		}
		if errs := core.Check(func(uint32) bool { return true }); len(errs) > 0 {
			t.Fatalf("%s %v: a new one is corrupt: %v", kind.Name, shape.Spec, errs)
		}
		spoil(r, changes)
		handle(t, kind, shape, r, uint32(dead)%slots+1)
	})
}

// spoil makes changes: offset, 2 bytes; length, 1 byte; and the bytes to put there.
func spoil(r mem.Region, changes []byte) {
	b, err := r.Bytes(0, r.Len())
	for err == nil && len(b) > 0 && len(changes) > 3 {
		off, n := int(binary.LittleEndian.Uint16(changes))%len(b), min(int(changes[2]), len(changes)-3)
		copy(b[off:], changes[3:3+n])
		changes = changes[3+n:]
	}
}

// handle does with spoilt bytes what processes do that do not use the object.
func handle(t *testing.T, kind *object.Kind, shape object.Shape, r mem.Region, dead uint32) {
	t.Helper()
	core, err := kind.Attach(r, shape)
	if err != nil {
		return
	}
	look := func() {
		for _, err := range core.Check(func(slot uint32) bool { return slot%2 == 1 }) {
			if err == nil || err.Error() == "" {
				t.Errorf("%s: an error that says nothing", kind.Name)
			}
		}
		n := 0
		core.Holds(func(object.Hold) bool { n++; return n < 1<<12 })
		_ = core.State()
		_ = kind.Describe(shape)
	}
	look()
	core.Repair(object.Dead{Slot: dead, Generation: 1})
	core.Repair(object.Dead{Slot: dead, Generation: 1, Exited: true})
	look()
	core.Leave(dead%slots + 1)
	core.Repair(object.Dead{Slot: slots, Generation: 2, Exited: true})
	look()
}
