package object

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Mapping keeps a segment's memory mapped while it is reachable. Operations
// hold it on their stack (Pin and Unpin); the memory goes when Close has
// dropped the Use's reference and no operation holds one, so no address of it
// ever faults or is somebody else's.
type Mapping struct {
	Region mem.Region
	// Kept, if not nil, is set by Keep. It outlives the Mapping.
	Kept *atomic.Bool

	mu      sync.Mutex
	objects []*Object // of KeepObject
}

// Keep makes the memory stay for good, because a slice of it was handed out.
func (m *Mapping) Keep() {
	if m.Kept != nil && !m.Kept.Load() {
		m.Kept.Store(true)
	}
}

// KeepObject is Keep for a slice of o's memory that its user may have for longer
// than any handle on o: even if o is removed, its memory is not used for another
// object before the segment is closed.
func (m *Mapping) KeepObject(o *Object) {
	m.Keep()
	if o.kept.Load() || o.kept.Swap(true) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects = append(m.objects, o)
}

// Use is one opening of a segment by this process, as its objects see it.
//
// Every operation on shared memory runs between Pin and Unpin. After an
// operation has taken something (a lock, a permit, a claim that its caller will
// hold) it must ask Closed once more and, if so, give it back and return
// fs.ErrClosed: Close first ends the Use and then gives back what is held
// (Core.Leave), so one of the two sees it. The slot number is not reused while
// any operation of this Use can still run.
type Use struct {
	*wait.Party
	Slot     uint32 // this process's participant number; 0 if ReadOnly
	ReadOnly bool
	Peers    Peers
	mapping  atomic.Pointer[Mapping] // nil once closed or lost
	idle     chan struct{}           // full when there may be no taking any more
	memory   atomic.Pointer[Mapping] // nil once closed
	lost     atomic.Pointer[mem.Corruption]

	_       [mem.CacheLine]byte // what changes all the time is apart from what every operation reads
	takings atomic.Int64
	_       [mem.CacheLine]byte

	endingsMu sync.Mutex
	endings   map[*func()]struct{} // of AtEnd
	ended     bool
}

// Peers tells of the other participants.
type Peers interface {
	// Generation returns the generation of a slot.
	Generation(slot uint32) uint32
	// WaitExited waits until the participant (slot, generation) is gone wholly,
	// so that no system call of it still writes.
	WaitExited(ctx context.Context, slot, generation uint32) error
}

// NewUse returns a Use of m.
func NewUse(m *Mapping, slot uint32, peers Peers) *Use {
	u := &Use{Party: wait.NewParty(), Slot: slot, ReadOnly: slot == 0, Peers: peers, idle: make(chan struct{}, 1)}
	u.mapping.Store(m)
	u.memory.Store(m)
	return u
}

// Pin returns the mapping, which stays while the result is alive (see Unpin),
// or nil after Close, and when the memory is lost.
func (u *Use) Pin() *Mapping { return u.mapping.Load() }

// PinAnyway is Pin for operations that have no way to tell of an error: they go
// on with what there is in place of memory that is lost, which is zeros.
func (u *Use) PinAnyway() *Mapping { return u.memory.Load() }

// Unpin ends what Pin began. It costs nothing: it tells the collector that m
// was used until here.
func Unpin(m *Mapping) { runtime.KeepAlive(m) }

// Closed reports whether the segment was closed, or its memory lost.
func (u *Use) Closed() bool { return u.mapping.Load() == nil }

// BeginTaking is for who has waited and is about to take something that is lost, or
// spoilt, if it is found in this participant's hands when the segment is closed:
// until EndTaking, End does not return. It fails if the segment is closed. Between
// the two nothing may wait, and Closed says whether to give it back.
func (u *Use) BeginTaking() bool {
	u.takings.Add(1)
	if !u.Closed() {
		return true
	}
	u.EndTaking()
	return false
}

// EndTaking ends what BeginTaking, which returned true, began.
func (u *Use) EndTaking() {
	if u.takings.Add(-1) == 0 && u.Closed() {
		u.rest()
	}
}

// rest has End look whether anybody is taking.
func (u *Use) rest() {
	select {
	case u.idle <- struct{}{}:
	default:
	}
}

// End makes the Use a closed one: operations that begin fail, those that wait
// return fs.ErrClosed. It waits for those that are just taking what they waited
// for: they give it back, or their callers have it.
func (u *Use) End() {
	u.mapping.Store(nil)
	u.memory.Store(nil)
	u.Party.Close()
	for u.takings.Load() != 0 {
		<-u.idle
	}
	u.rest() // there may be another call of End
	u.finish()
}

// AtEnd has End call f, after it has made operations fail and before it returns;
// f may be called more than once. If End has come that far, f is called now.
// forget takes f back.
func (u *Use) AtEnd(f func()) (forget func()) {
	u.endingsMu.Lock()
	if u.endings == nil {
		u.endings = map[*func()]struct{}{}
	}
	u.endings[&f] = struct{}{}
	ended := u.ended
	u.endingsMu.Unlock()
	if ended {
		f()
	}
	return func() {
		u.endingsMu.Lock()
		defer u.endingsMu.Unlock()
		delete(u.endings, &f)
	}
}

// finish calls what was left with AtEnd.
func (u *Use) finish() {
	u.endingsMu.Lock()
	u.ended = true
	list := slices.Collect(maps.Keys(u.endings))
	u.endingsMu.Unlock()
	for _, f := range list {
		(*f)()
	}
}

// Lose makes operations fail from now on, those that wait too, because the
// memory is not the file's any more: they return fs.ErrClosed, which the public
// packages replace by what Lost returns.
func (u *Use) Lose(why *mem.Corruption) {
	u.lost.Store(why)
	u.mapping.Store(nil)
	u.Party.Close()
}

// Lost returns why the memory is lost; nil if it is not, and after Close.
func (u *Use) Lost() *mem.Corruption {
	if u == nil || u.memory.Load() == nil {
		return nil
	}
	return u.lost.Load()
}

// Object is a named object that this process has opened. Handles refer to it,
// and all handles of the process on one object share one; while it is
// reachable the object's memory is not used for another, even if its name was
// removed.
type Object struct {
	Name   string
	Kind   *Kind
	Type   string // the stored description of its element type
	Shape  Shape
	Region mem.Region
	// Index is its place in the directory, as shown by the waiting board.
	Index uint32
	// Sync tells the race detector of hand-overs; nil on a heap region.
	Sync *race.Token

	kept     atomic.Bool // by its mapping
	pointsMu sync.Mutex
	points   map[*satomic.Uint32]*wait.Point
	localsMu sync.Mutex // not that of points: what Local makes may ask for a Point
	locals   map[string]any
}

// Point returns this process's place to wait on word, a futex word in the
// object's region: the same one for every handle.
func (o *Object) Point(word *satomic.Uint32) *wait.Point {
	o.pointsMu.Lock()
	defer o.pointsMu.Unlock()
	p := o.points[word]
	if p == nil {
		if o.points == nil {
			o.points = map[*satomic.Uint32]*wait.Point{}
		}
		p = wait.NewPoint(word, o.Index)
		o.points[word] = p
	}
	return p
}

// Local returns the value that all handles of this process on the object share
// under key, made by create at the first call; create must not call Local.
func (o *Object) Local(key string, create func() any) any {
	o.localsMu.Lock()
	defer o.localsMu.Unlock()
	v, ok := o.locals[key]
	if !ok {
		if o.locals == nil {
			o.locals = map[string]any{}
		}
		v = create()
		o.locals[key] = v
	}
	return v
}
