package shm

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// attachment is this process's one mapping of a segment and its one participant
// slot there, shared by every use of the segment in the process.
type attachment struct {
	keeper
	key        fileKey
	spec       Spec
	label      string // the segment's name
	ident      string // the segment's id
	slot       uint32 // 0 if read-only
	generation uint32
	member     member
	deathPoint *wait.Point
	stopWatch  func()

	mu      sync.Mutex
	mapping *object.Mapping // nil once ended; nothing else may refer to it for longer than an operation
	uses    map[*use]struct{}
	objects map[int]openObject
	watched []guardian.Word
	kept    atomic.Bool     // a View was handed out: the memory stays mapped for good
	lost    *mem.Corruption // see lose
	floor   atomic.Int64    // bytes that the file has had
	retired atomic.Bool     // the mapping was collected

	// giving is held while what this process holds of objects is given back: an
	// entry that it has let go of may be another object's at once.
	giving sync.Mutex

	// Those of Look, which never runs twice at once.
	lastAudit time.Time
	duty      urgency // the least urgent need of the dead that this process cares for
}

// openObject is an object that this process has open. The object ends when no
// handle refers to it.
type openObject struct {
	generation uint32
	object     weak.Pointer[object.Object]
	dropped    *atomic.Bool // set once no handle refers to it
}

// use is one opening of a segment.
type use struct {
	*object.Use
	a *attachment
}

func newAttachment(k keeper, key fileKey, f fixed) *attachment {
	a := &attachment{
		keeper:  k,
		key:     key,
		label:   k.called(),
		ident:   k.id(),
		uses:    map[*use]struct{}{},
		objects: map[int]openObject{},
	}
	a.mapping = &object.Mapping{Region: k.region, Kept: &a.kept}
	a.deathPoint = wait.NewPoint(&k.header.deathSeq, noObject)
	a.spec = Spec{MaxSize: f.maxSize, Participants: int(f.slots), Lifetime: f.lifetime}
	return a
}

// noObject is the directory index of what is no object.
const noObject = ^uint32(0) - 1

// open adds a use, unless the attachment has ended.
func (a *attachment) open() (*use, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mapping == nil || a.lost != nil {
		return nil, false
	}
	u := &use{Use: object.NewUse(a.mapping, a.slot, peers{a}), a: a}
	if a.slot != 0 {
		u.Board = a.participants[a.slot-1].board[:]
	}
	a.uses[u] = struct{}{}
	return u, true
}

// pin keeps the mapping while the result is alive; nil once the attachment has ended.
func (a *attachment) pin() *object.Mapping {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mapping
}

// locked runs f with the segment's structural lock.
func (a *attachment) locked(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.place.gate.pass(ctx); err != nil {
		return err
	}
	defer a.place.gate.leave()
	return a.lockKept(ctx, f)
}

// lockedNow is locked if the structural lock is free right now, and reports
// whether f ran.
func (a *attachment) lockedNow(f func() error) (ran bool, err error) {
	if !a.place.gate.tryPass() {
		return false, nil
	}
	defer a.place.gate.leave()
	if ok, err := a.back.tryLock(); err != nil || !ok {
		return false, err
	}
	err = f()
	return true, errors.Join(err, a.back.unlock())
}

// close ends one use; the last one ends the attachment.
func (u *use) close() error {
	a := u.a
	u.End()
	a.mu.Lock()
	if _, ok := a.uses[u]; !ok {
		a.mu.Unlock()
		return nil
	}
	delete(a.uses, u)
	last := len(a.uses) == 0
	m := a.mapping
	if last {
		a.mapping = nil
	}
	a.mu.Unlock()
	opened.forget(u)
	if !last {
		return nil
	}
	opened.drop(a)
	return a.end(m)
}

// end gives back what this process holds and leaves the segment. The memory
// stays mapped, and the slot taken, until no operation can be inside.
func (a *attachment) end(m *object.Mapping) error {
	opened.ended.Add(1)
	runtime.AddCleanup(m, func(a *attachment) { go a.retire() }, a)
	defer opened.collect()
	if a.slot == 0 || a.isLost() {
		object.Unpin(m)
		return nil
	}
	a.stopWatch()
	a.leaveObjects()
	a.participants[a.slot-1].left.Store(1)
	bump(&a.header.control)
	err := a.endLifetime(m, patience)
	crowded := a.crowded()
	object.Unpin(m)
	if crowded {
		go a.hasten()
	}
	return err
}

// hasten has the mapping collected, so that the slot is free before others miss it.
// One collection may not do: a frame that is interrupted just then may still have a
// pointer that nobody will use.
func (a *attachment) hasten() {
	for pause := lastPause; !a.retired.Load() && pause < auditEvery; pause *= 4 {
		runtime.GC()
		_ = rest(context.Background(), pause)
	}
}

// leaveObjects gives back what this process holds of the objects that it has open.
func (a *attachment) leaveObjects() {
	a.giving.Lock()
	defer a.giving.Unlock()
	for i := range a.touched() {
		if a.mine(i) {
			a.leaveObject(i)
		}
	}
}

// mine reports whether this process has the object of an entry open.
func (a *attachment) mine(entry int) bool { return a.view.uses(entry, a.slot) }

// leaveObject gives back what this process holds of an object that it has open:
// its extent cannot become another's meanwhile. The caller holds giving.
func (a *attachment) leaveObject(entry int) {
	r, err := a.read(entry)
	if err != nil || r.state == entryFree {
		return
	}
	if core, err := a.core(r); err == nil {
		core.Leave(a.slot)
	}
}

// patience is how long Close waits for the structural lock itself. Whoever has it
// needs it for microseconds, unless it loses its processor meanwhile; and a process
// that ends right after Close can take no name away later.
const patience = 250 * time.Millisecond

// endLifetime takes the segment's name away if this process was the one it
// lived for. If another process holds the structural lock for longer than that,
// or there is no descriptor to take it by, that happens later: Close never waits
// for another process, and what it has to give back has been given back.
func (a *attachment) endLifetime(m *object.Mapping, most time.Duration) error {
	ran := false
	finish := func() error {
		ran = true
		a.audit() // the others may have died where nobody was told
		if a.expired() && a.header.state.Load() == stateLive {
			return a.expire()
		}
		return nil
	}
	if ran, err := a.lockedNow(finish); ran {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), most) // not before: a new timer may wake a thread
	defer cancel()
	err := a.locked(ctx, finish)
	if ran {
		return err
	}
	go func() {
		for !ran {
			_ = a.locked(context.Background(), finish) // nobody is left to tell; Prune does it otherwise
			if !ran {
				_ = rest(context.Background(), auditEvery)
			}
		}
		object.Unpin(m)
	}()
	return nil
}

// retire ends an attachment that no operation is inside of any more: what
// operations that overtook Close still took is given back, and the slot is free.
func (a *attachment) retire() {
	a.retired.Store(true)
	defer opened.ended.Add(-1)
	if a.slot != 0 && a.isLost() {
		a.place.lets(a.slot)
		_ = a.member.Release() // nobody can use the slot any more
	}
	for freed := a.slot == 0 || a.isLost(); !freed; {
		freed = a.tryFreeSlot()
		if !freed { // for want of a descriptor, say
			_ = rest(context.Background(), auditEvery)
		}
	}
	if a.place != nil {
		opened.leave(a.place, a.key)
	}
	if !a.kept.Load() {
		_ = a.back.unmap()
	}
	_ = a.back.close()
}

// tryFreeSlot is freeSlot with the structural lock, if that can be had.
func (a *attachment) tryFreeSlot() (freed bool) {
	a.place.retiring.Lock()
	defer a.place.retiring.Unlock()
	_ = a.locked(context.Background(), func() error {
		a.freeSlot()
		freed = true
		return nil
	})
	return freed
}

// freeSlot lets another participant have the slot. The caller holds the
// structural lock.
func (a *attachment) freeSlot() {
	d := object.Dead{Slot: a.slot, Generation: a.generation}
	a.repairObjects(d)
	d.Exited = true
	a.repairObjects(d)
	a.forget(a.slot)
	a.place.lets(a.slot)
	_ = a.member.Release() // what can fail is only the end of a mapping
	bump(&a.header.control)
}

// peers tells the objects of the other participants.
type peers struct{ a *attachment }

// Generation returns the generation of a slot.
func (p peers) Generation(slot uint32) uint32 {
	if slot < 1 || int64(slot) > p.a.geo.slots {
		return 0
	}
	return p.a.participants[slot-1].generation.Load()
}

// WaitExited waits until the process of a participant is gone.
func (p peers) WaitExited(ctx context.Context, slot, generation uint32) error {
	if slot < 1 || int64(slot) > p.a.geo.slots {
		return nil
	}
	for pause := firstPause; ; pause = longer(pause) {
		if p.Generation(slot) != generation || !p.a.taken(slot) || p.a.exited(slot) {
			return nil
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
}

// localObject returns the object of a live or removed entry that this process
// marked as open, the same one for all handles.
func (a *attachment) localObject(r record, region mem.Region) *object.Object {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.objects[r.index]; o.generation == r.generation {
		if obj := o.object.Value(); obj != nil {
			return obj
		}
	}
	obj := &object.Object{
		Name: r.name, Kind: r.kind, Type: r.typ, Shape: a.shape(r), Region: region, Index: uint32(r.index),
	}
	if a.view.backend != backendHeap {
		obj.Sync = new(race.Token)
	}
	o := openObject{r.generation, weak.Make(obj), new(atomic.Bool)}
	a.objects[r.index] = o
	runtime.AddCleanup(obj, func(dropped *atomic.Bool) {
		dropped.Store(true)
		go a.sweep()
	}, o.dropped)
	return obj
}

// sweep lets go of removed objects that no handle of this process refers to any
// more, so that their memory can be used again.
func (a *attachment) sweep() {
	m := a.pin()
	if m == nil || a.slot == 0 {
		return
	}
	defer object.Unpin(m)
	a.giving.Lock()
	defer a.giving.Unlock()
	if a.participants[a.slot-1].generation.Load() != a.generation {
		return // killed, as on a heap segment: the slot is another one's
	}
	for i := range a.touched() {
		if !a.mine(i) {
			continue
		}
		// Now the entry stays what it is until this goroutine lets go of it. Read
		// before, it might have become another object's, which is open here.
		state := a.entries[i].state.Load()
		if uint32(state) != entryRemoved || a.alive(i, uint32(state>>32)) {
			continue
		}
		a.leaveObject(i)
		a.dropUser(i, a.slot)
	}
}

func (a *attachment) alive(entry int, generation uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, ok := a.objects[entry]
	// The object is gone with the collection that finds it; that it was dropped is
	// told later, by a goroutine that may have to wait for a processor.
	return ok && o.generation == generation && !o.dropped.Load() && o.object.Value() != nil
}
