package shm

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// keeper changes a segment's structure. Its methods, unless they say otherwise,
// are called with the segment's structural lock held; they need no participant
// slot of their own, so an opener can repair before it attaches.
type keeper struct {
	*view
	back backing
	// path is the file's name, empty if it has none.
	path string
	// place is that of the file in the registry; nil if nothing of this process is
	// known to have it open.
	place *place
}

// called is what the segment is called: by its file, which may have been renamed
// since; else by its header, if that makes sense.
func (k *keeper) called() string {
	if k.path != "" {
		return segmentName(k.path)
	}
	if name := k.name(); validSegmentName(name) == nil {
		return name
	}
	return anonymousName
}

// bump changes a futex word of the header and wakes everybody who sleeps on it.
func bump(word *satomic.Uint32) {
	word.Add(1)
	wait.Wake(word, wait.All)
}

// taken reports whether slot has a participant, dead or alive.
func (k *keeper) taken(slot uint32) bool { return k.participants[slot-1].word.Load() != 0 }

// present reports whether a slot has a participant that has not closed the
// segment, alive or dead.
func (k *keeper) present(slot uint32) bool {
	return k.taken(slot) && k.participants[slot-1].left.Load() == 0
}

// highest returns the highest slot that was ever taken.
func (k *keeper) highest() uint32 { return min(k.header.high.Load(), uint32(k.geo.slots)) }

// dead reports whether the kernel, or a former audit, marked the participant dead.
func (k *keeper) dead(slot uint32) bool {
	return guardian.Marked(k.participants[slot-1].word.Load())
}

// audit marks the participants whose process is gone although nobody was told:
// those of an earlier boot, and those whose mark was lost. It needs no lock. This
// process, with what it has closed and not yet left, needs no proof that it lives.
func (k *keeper) audit() {
	for s := uint32(1); s <= k.highest(); s++ {
		if k.taken(s) && !k.dead(s) && !k.place.owns(s) {
			_ = k.back.markGone(s, &k.participants[s-1].word) // if it cannot tell now, the next audit can
		}
	}
}

// crowded reports whether few slots are free.
func (k *keeper) crowded() bool {
	taken := int64(0)
	for s := uint32(1); s <= k.highest(); s++ {
		if k.taken(s) {
			taken++
		}
	}
	return taken > k.geo.slots*3/4
}

// leaving reports whether a slot will be free soon: its process has closed the
// segment, or is about to end.
func (k *keeper) leaving() bool {
	for s := uint32(1); s <= k.highest(); s++ {
		if k.dead(s) || k.taken(s) && k.participants[s-1].left.Load() != 0 {
			return true
		}
	}
	return false
}

// hasLiveUsers reports whether a live process has the segment open.
func (k *keeper) hasLiveUsers() bool {
	for s := uint32(1); s <= k.highest(); s++ {
		if k.present(s) && !k.dead(s) {
			return true
		}
	}
	return false
}

// ownerGone reports whether the participant that created the segment has left it.
func (k *keeper) ownerGone() bool {
	slot := k.header.ownerSlot.Load()
	if slot < 1 || int64(slot) > k.geo.slots {
		return true
	}
	p := &k.participants[slot-1]
	return p.generation.Load() != k.header.ownerGeneration.Load() ||
		!k.taken(slot) || k.dead(slot) || p.left.Load() != 0
}

// expired reports whether the segment's lifetime has ended.
func (k *keeper) expired() bool {
	if k.backend != backendNamed {
		return false // it ends with the last descriptor, which may be on its way
	}
	switch k.lifetime {
	case LastUser:
		return !k.hasLiveUsers()
	case Owner:
		return k.ownerGone()
	}
	return false
}

// expire takes the segment's name away: whoever finds it from now on starts again.
func (k *keeper) expire() error {
	k.header.state.Store(stateRemoved) // commit; pairs with: shm.header.state (open)
	return k.unlink()
}

// unlink removes the segment's file name, unless it is gone, or another
// segment's by now.
func (k *keeper) unlink() error {
	f := k.back.descriptor()
	if k.path == "" || f == nil || !sys.SameFile(f, k.path) {
		return nil
	}
	return os.Remove(k.path)
}

// attach makes this process a participant and returns its slot. The commit is
// the slot's word, which the guardian thread takes in such a way that the
// kernel marks it when this process ends. If none is to be had, but one was only
// looked at by somebody at that moment, the error is errLeaving, too.
func (k *keeper) attach() (uint32, member, error) {
	busy := false
	for slot := uint32(1); int64(slot) <= k.geo.slots; slot++ {
		if k.taken(slot) { // pairs with: shm.participant.word (repair)
			continue
		}
		p := &k.participants[slot-1]
		p.introduce()
		if k.header.high.Load() < slot {
			k.header.high.Store(slot)
		}
		m, err := k.back.join(slot)
		if err == errTaken { //nolint:errorlint // our own sentinel, never wrapped
			busy = true // whoever audits it has its byte
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		k.place.took(slot)
		bump(&k.header.control)
		return slot, m, nil
	}
	var err error = &SpaceError{Segment: k.called(), Need: 1, Limit: limitParticipants}
	if busy {
		err = errors.Join(err, errLeaving)
	}
	return 0, nil, err
}

// introduce says who has the slot now, in a slot that is free and may have had
// another participant.
func (p *participant) introduce() { p.introduceAs(self()) }

func (p *participant) introduceAs(me identityOfProcess) {
	p.generation.Add(1) // first: see keeper.observe
	p.left.Store(0)
	p.phase.Store(0)
	p.recorded.Store(0)
	p.pid.Store(me.pid)
	p.uid.Store(uint32(os.Getuid()))
	p.namespace.Store(me.namespace)
	p.start.Store(me.start)
	p.attached.Store(uint64(time.Now().UnixNano()))
	putText(p.exe[:], me.exe)
	for i := range p.board {
		p.board[i].Store(0)
	}
	p.fenced.Store(0)
	if registered() == nil { // done before the lock was taken: see registerForBarrier
		p.fenced.Store(1)
	}
}

// identityOfProcess is what others may want to know of this process.
type identityOfProcess struct {
	pid              uint32
	boot             string
	namespace, start uint64
	exe              string
}

// self returns what does not change while the process lives.
//
//nolint:gochecknoglobals // a process has one identity
var self = sync.OnceValue(func() identityOfProcess {
	start, _ := sys.StartTime(os.Getpid()) // for people only
	return identityOfProcess{
		pid: uint32(os.Getpid()), boot: sys.BootID(), namespace: sys.PIDNamespace(), start: start, exe: sys.Executable(),
	}
})

// repairDead repairs every participant that is marked, as far as is safe now.
func (k *keeper) repairDead() {
	k.announceDeaths() // those whose repairer died before it came to this
	for slot := uint32(1); slot <= k.highest(); slot++ {
		if k.dead(slot) {
			k.repair(slot)
		}
	}
}

// repair gives back what a dead participant held, as far as that is safe now,
// and frees its slot if that was all. It may die anywhere: whoever takes the lock
// next does it again.
func (k *keeper) repair(slot uint32) {
	p := &k.participants[slot-1]
	exited := k.exited(slot)
	d := object.Dead{Slot: slot, Generation: p.generation.Load()}
	if p.phase.Load() == 0 {
		// The fence: after it no user instruction of the dead process runs any more.
		if !exited && (!k.fenced(slot) || sys.Membarrier() != nil) {
			return
		}
		k.recordDeath(slot) // if there is no record now, what it held will not be told
		k.repairObjects(d)
		p.phase.Store(1)
		exited = exited || k.exited(slot)
	}
	if !exited || !k.recordDeath(slot) {
		return
	}
	d.Exited = true
	k.repairObjects(d)
	k.forget(slot)
	k.closeRecord(slot)
	if k.lifetime == Owner && k.expired() && k.header.state.Load() == stateLive {
		_ = k.expire() // the name stays if it cannot be removed; Prune tries again
	}
	p.word.Store(0) // commit; pairs with: shm.participant.word (attach)
	wait.Wake(&p.word, wait.All)
	k.announceDeaths()
	bump(&k.header.control)
}

// fenced reports whether the barrier of a repairer reaches the participant's
// process. Where it does not, repair waits for the whole process to exit.
func (k *keeper) fenced(slot uint32) bool {
	return k.participants[slot-1].fenced.Load() == 1 && sys.Probe().Membarrier
}

// exited reports whether no thread of a participant's process exists any more.
func (k *keeper) exited(slot uint32) bool {
	held, err := k.back.held(slot)
	return err == nil && !held
}

func (k *keeper) repairObjects(d object.Dead) {
	for i := range k.touched() {
		r, err := k.read(i)
		if err != nil || r.state == entryFree {
			continue // check reports what cannot be read
		}
		if core, err := k.core(r); err == nil {
			core.Repair(d)
		}
	}
}

// forget clears the slot's marks in the table of users, and frees what nobody
// else has open.
func (k *keeper) forget(slot uint32) {
	for i := range k.touched() {
		if k.uses(i, slot) {
			k.dropUser(i, slot)
		}
	}
	k.reclaim()
}

// lockKept takes the structural lock, runs f and gives the lock back.
func (k *keeper) lockKept(ctx context.Context, f func() error) (err error) {
	if err := lockWith(ctx, k.back); err != nil {
		return err
	}
	defer func() {
		if e := k.back.unlock(); err == nil {
			err = e
		}
	}()
	return f()
}
