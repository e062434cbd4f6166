package cell

import "github.com/shoal-ipc/shoal/internal/mem"

// EventOf returns the event word of a value's or an atomic's region.
func EventOf(core any) uint32 {
	switch c := core.(type) {
	case *ValueCore:
		return c.header.event.Load()
	case *AtomicCore:
		return c.words.event.Load()
	}
	panic("no core")
}

// Scribble sets the words that say which copy is current.
func Scribble(v *Value, version, busy uint64) {
	v.header.version.Store(version)
	v.header.busy.Store(busy)
}

// Place returns where the copies of a value of that size lie.
func Place(size int64) (first, second, end int64) {
	p := placeCopies(size)
	return p.first, p.second, p.end
}

// Lock takes the lock of the writers.
func Lock(v *Value) error { return v.mutex.TryLock() }

// Unlock gives it back.
func Unlock(v *Value) { v.mutex.Drop() }

// NoLayout is the layout of a type without bools.
func NoLayout() *mem.Layout { return new(mem.Layout) }
