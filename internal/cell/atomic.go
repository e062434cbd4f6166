package cell

import (
	"structs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Atomic is this process's side of an atomic. Whoever changes Number then calls
// Notify if the event is Flagged; these two are all that death can come between:
//
//	dies after                survivors see       outcome
//	the change                flag, if they wait  repair wakes them
//	clearing flag             sticky              repair wakes them
type Atomic[T any] struct {
	*Words[T]
	Sync    *race.Token
	Watcher *Watcher
}

// Words is the atomicWords of a number of the type T.
type Words[T any] struct {
	_      structs.HostLayout
	Number T                 // reached by mem.LoadNumber and its siblings only
	_      [0]satomic.Uint64 // Event is at 8 in any case, also where a uint64 lies at any 4
	Event  satomic.Uint32
	_      uint32
}

// OpenAtomic returns this process's side of obj, a number of the size of T.
func OpenAtomic[T any](obj *object.Object) (Atomic[T], error) {
	if stored := obj.Shape.Spec[0]; stored != uint64(mem.SizeOf[T]()) {
		return Atomic[T]{}, mem.Corrupt("spec", -1, stored, mem.SizeOf[T]())
	}
	if _, err := atomicRegion(obj.Shape); err != nil {
		return Atomic[T]{}, err
	}
	words, err := mem.At[Words[T]](obj.Region, 0)
	if err != nil {
		return Atomic[T]{}, err
	}
	return Atomic[T]{Words: words, Sync: obj.Sync, Watcher: NewWatcher(obj, &words.Event)}, nil
}
