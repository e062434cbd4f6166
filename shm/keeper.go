package shm

import (
	"context"
	"os"
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
}

// bump changes a futex word of the header and wakes everybody who sleeps on it.
func bump(word *satomic.Uint32) {
	word.Add(1)
	wait.Wake(word, wait.All)
}

// taken reports whether slot has a participant, dead or alive.
func (k *keeper) taken(slot uint32) bool { return k.participants[slot-1].word.Load() != 0 }

// highest returns the highest slot that was ever taken.
func (k *keeper) highest() uint32 { return min(k.header.high.Load(), uint32(k.geo.slots)) }

// dead reports whether the kernel, or a former audit, marked the participant dead.
func (k *keeper) dead(slot uint32) bool {
	return guardian.Marked(k.participants[slot-1].word.Load())
}

// audit marks the participants whose process is gone although nobody was told:
// those of an earlier boot, and those whose mark was lost. It needs no lock.
func (k *keeper) audit() {
	for s := uint32(1); s <= k.highest(); s++ {
		if k.taken(s) && !k.dead(s) {
			_ = k.back.markGone(s, &k.participants[s-1].word) // if it cannot tell now, the next audit can
		}
	}
}

// hasLiveUsers reports whether a live process has the segment open.
func (k *keeper) hasLiveUsers() bool {
	for s := uint32(1); s <= k.highest(); s++ {
		if k.taken(s) && !k.dead(s) && k.participants[s-1].left.Load() == 0 {
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

// unlink removes the segment's file name, if it still is this file's.
func (k *keeper) unlink() error {
	f := k.back.descriptor()
	if k.path == "" || f == nil {
		return nil
	}
	mine, err := sys.Inspect(f)
	if err != nil {
		return err
	}
	named, err := sys.InspectPath(k.path)
	if err != nil || named.Ino != mine.Ino || named.Dev != mine.Dev {
		return nil // gone, or another segment's by now
	}
	return os.Remove(k.path)
}

// attach makes this process a participant and returns its slot. The commit is
// the slot's word, which the guardian thread takes in such a way that the
// kernel marks it when this process ends.
func (k *keeper) attach() (uint32, member, error) {
	for slot := uint32(1); int64(slot) <= k.geo.slots; slot++ {
		if k.taken(slot) { // pairs with: shm.participant.word (repair)
			continue
		}
		p := &k.participants[slot-1]
		p.generation.Add(1)
		p.left.Store(0)
		p.phase.Store(0)
		p.recorded.Store(0)
		p.pid.Store(uint32(os.Getpid()))
		p.uid.Store(uint32(os.Getuid()))
		p.namespace.Store(sys.PIDNamespace())
		start, _ := sys.StartTime(os.Getpid()) // for people only
		p.start.Store(start)
		p.attached.Store(uint64(time.Now().UnixNano()))
		putText(p.exe[:], sys.Executable())
		for i := range p.board {
			p.board[i].Store(0)
		}
		if k.header.high.Load() < slot {
			k.header.high.Store(slot)
		}
		m, err := k.back.join(slot)
		if err == errTaken { //nolint:errorlint // our own sentinel, never wrapped
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		bump(&k.header.control)
		return slot, m, nil
	}
	return 0, nil, &SpaceError{Segment: k.name(), Need: 1, Limit: "participants"}
}

// repairDead repairs every participant that is marked, as far as is safe now.
func (k *keeper) repairDead() {
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
	// The fence: after it no user instruction of the dead process runs any more.
	exited := k.exited(slot)
	if !exited && sys.Membarrier() != nil {
		return
	}
	d := object.Dead{Slot: slot, Generation: p.generation.Load()}
	if p.phase.Load() == 0 {
		k.recordDeath(slot)
		k.repairObjects(d)
		p.phase.Store(1)
	}
	if !exited && !k.exited(slot) {
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
