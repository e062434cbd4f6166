package ring

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// solo is one side, putting or getting, of an SPSC queue in the process that has
// this role. Nobody else is on this side but goroutines of the process; and while
// it is always the same goroutine, not even those. That one goroutine, the owner,
// claims nothing: it puts into the next free slot, or takes from the next full
// one, and the one store that publishes is all that others see.
//
// Any other goroutine that comes ends that (revoke): it takes the ownership away,
// waits until the owner is not inside, and from then on all of them are a crowd,
// and claim slots as in a queue of many. The owner goes in and out by plain stores;
// so who takes the ownership away has a fence put between (see publish.go): either
// the owner, who looks once more after it has gone in, sees that it is none, or
// it is seen to be inside. What the owner goes in and out by is made anew for each
// one (tenure): who was about to go in when it lost the ownership may do so much
// later, and must not be taken for the next owner, nor undo what that one says.
//
// The last Close ends both kinds of operations, before the role is given up.
type solo struct {
	_      [mem.CacheLine]byte
	tenure atomic.Pointer[tenure] // of the last owner
	busy   *satomic.Uint32
	none   satomic.Uint32 // busy, where nobody needs to know
	wanted atomic.Bool    // somebody waits until the owner is not inside
	crowd  atomic.Int64   // how many others are inside; or alone, or over
	ending atomic.Bool

	// Who was the last one of the crowd, how often in a row, and how often it takes
	// to become the owner: more after each time that was in vain.
	last   atomic.Uintptr
	streak atomic.Uint32
	need   atomic.Uint32

	turn  chan struct{} // of who takes the ownership away
	idle  chan struct{} // full when the owner may have left; only who has the turn waits
	empty chan struct{} // full when the crowd may have left; only end waits
	_     [mem.CacheLine]byte
}

// tenure is the time of one owner.
type tenure struct {
	_      [mem.CacheLine]byte
	owner  atomic.Uintptr // the goroutine that is alone; 0: it is not any more
	inside atomic.Uint32  // 1 while the owner is
	_      [mem.CacheLine]byte
}

const (
	alone = -1 // the owner may be inside, and nobody else
	over  = -2 // every use of the segment has ended

	needAtFirst = 64
	needMost    = 1 << 20
)

// sides are both sides of an SPSC queue, for all uses that this process has of the
// segment: they have one role, so whoever puts or gets by one of them has to do with
// those who do by another. The last use that ends, ends the sides; should one come
// later, while the process is in the segment still, they go on.
type sides struct {
	putting, taking solo

	mu   sync.Mutex // held while the sides end
	uses map[*object.Use]struct{}
}

func newSides(h *header) *sides {
	s := &sides{uses: map[*object.Use]struct{}{}}
	s.putting.init(&h.putting)
	s.taking.init(&s.taking.none)
	return s
}

// serve has the sides of obj go on for as long as use does.
func (s *sides) serve(use *object.Use, obj *object.Object) {
	s.mu.Lock()
	_, known := s.uses[use]
	if !known {
		s.uses[use] = struct{}{}
		s.putting.resume()
		s.taking.resume()
	}
	s.mu.Unlock()
	if !known {
		forget := use.AtEnd(func() { s.dismiss(use) })
		runtime.AddCleanup(obj, func(f func()) { f() }, forget)
	}
}

// dismiss ends the sides if use was the last one.
func (s *sides) dismiss(use *object.Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.uses, use); len(s.uses) == 0 {
		s.putting.end()
		s.taking.end()
	}
}

func (s *solo) init(busy *satomic.Uint32) {
	s.busy = busy
	s.turn = make(chan struct{}, 1)
	s.idle = make(chan struct{}, 1)
	s.empty = make(chan struct{}, 1)
	s.tenure.Store(&tenure{})
}

// enter lets the owner in; it fails if the caller is not the owner.
func (s *solo) enter() bool {
	t := s.tenure.Load()
	in := satomic.Enter(&t.owner, &t.inside, s.busy) // commit; pairs with: ring.putting (aboutToPut)
	return in == bare.Inside || s.turnedAway(in)
}

// turnedAway is false. It tells who took the ownership away that the owner, who was
// coming in, has gone.
func (s *solo) turnedAway(in uint32) bool {
	if in == bare.Lost {
		ring(s.idle)
	}
	return false
}

// leave ends what enter began. The exchange is a fence in every build.
func (s *solo) leave() {
	s.busy.Store(0)
	s.tenure.Load().inside.Swap(0)
	s.left()
}

// left tells who waits for it that the owner is not inside any more.
func (s *solo) left() {
	if s.wanted.Load() {
		ring(s.idle)
	}
}

// ring is a send on a channel. If the bell has rung already and nobody has heard it, it
// is no fence: then whoever hears it sees all as it is now only behind one of its own.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// join lets the caller in as one of the crowd. It fails after end.
func (s *solo) join() bool {
	for {
		switch n := s.crowd.Load(); {
		case n == over:
			return false
		case n == alone:
			s.revoke()
		case s.crowd.CompareAndSwap(n, n+1):
			return true
		}
	}
}

// part ends what join began. If the goroutine is the only one here, and was for
// some time, it is the owner from now on.
func (s *solo) part() {
	if g := bare.Goroutine(); g != 0 && s.earned(g) {
		t := &tenure{}
		t.owner.Store(g)
		s.tenure.Store(t)
		if s.crowd.CompareAndSwap(1, alone) {
			if s.ending.Load() {
				ring(s.empty) // who ends it may have seen the crowd of one, and wait
			}
			return
		}
		t.owner.Store(0)
	}
	s.depart()
}

// depart is part of who does not become the owner.
func (s *solo) depart() {
	if s.crowd.Add(-1) == 0 {
		ring(s.empty)
	}
}

// earned reports whether it is worth making g the owner.
func (s *solo) earned(g uintptr) bool {
	if s.last.Load() != g {
		s.last.Store(g)
		s.streak.Store(0)
	}
	return s.streak.Add(1) > s.need.Load()
}

// revoke takes the ownership away, and waits until the owner is not inside.
func (s *solo) revoke() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.crowd.Load() != alone {
		return
	}
	t := s.tenure.Load()
	s.wanted.Store(true)
	t.owner.Swap(0) // a fence in every build
	fence()
	for t.inside.Load() != 0 {
		<-s.idle // perhaps of an earlier revoke, while the owner has left and found the bell ringing
		fence()
	}
	s.wanted.Store(false)
	s.need.Store(min(max(2*s.need.Load(), needAtFirst), needMost))
	s.streak.Store(0)
	s.crowd.Store(0)
}

// end waits until nobody is inside, and lets nobody in any more.
func (s *solo) end() {
	s.ending.Store(true)
	for {
		switch s.crowd.Load() {
		case over:
			ring(s.empty) // there may be another one who waits
			return
		case alone:
			s.revoke()
		case 0:
			s.crowd.CompareAndSwap(0, over)
		default:
			<-s.empty
		}
	}
}

// resume ends what end began.
func (s *solo) resume() {
	s.ending.Store(false)
	s.crowd.CompareAndSwap(over, 0)
}
