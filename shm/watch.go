package shm

import (
	"context"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// neighbours is how many other participants each process watches. The kernel
// wakes one watcher of a dead one; every process that is woken looks at all
// slots, so one live process is enough for all to be noticed.
const neighbours = 3

// auditEvery is how often a process proves that the others still exist, should
// the kernel's mark of a death ever be lost.
const auditEvery = time.Second

// words returns the words whose change calls for a Look: the segment's control
// word and those of the next participants after this one.
func (a *attachment) words() []guardian.Word {
	list := make([]guardian.Word, 0, neighbours+2)
	list = append(list, guardian.Word{Addr: &a.header.control, Want: a.header.control.Load()})
	high := a.highest()
	for i := uint32(1); i < high && len(list) <= neighbours; i++ {
		slot := (a.slot-1+i)%high + 1
		p := &a.participants[slot-1]
		if word := p.word.Load(); word != 0 && !guardian.Marked(word) {
			list = append(list, guardian.Word{Addr: &p.word, Want: word})
		}
	}
	return list
}

// note makes list what the guardian sleeps on. If there is still something to
// do, a word that is marked is put before the neighbours': the guardian then
// calls again soon, and ever more slowly.
func (a *attachment) note(list []guardian.Word, need urgency) {
	if need > nothing {
		for s := uint32(1); s <= a.highest(); s++ {
			if a.dead(s) {
				list = slices.Insert(list, 1, guardian.Word{Addr: &a.participants[s-1].word})
				break
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched = list
}

// Words is what the guardian sleeps on for this segment.
func (a *attachment) Words(buf []guardian.Word) []guardian.Word {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(buf, a.watched...)
}

// Look finds participants that died and repairs what they left. The guardian
// calls it when a watched word has changed, and from time to time. It waits for
// nobody for longer than lookPatience; what it could not do then, a later call does.
func (a *attachment) Look() {
	m := a.pin()
	if m == nil {
		return
	}
	defer object.Unpin(m)
	// Noted before the scan: what changes during it makes the guardian call again.
	list := a.words()
	if a.auditDue() {
		a.audit()
		a.duty = exiting // whoever began may be stopped
	}
	a.note(list, a.repairMarked())
	a.sweep()
}

func (a *attachment) auditDue() bool {
	now := time.Now()
	if now.Sub(a.lastAudit) < auditEvery && sys.Probe().RobustList {
		return false
	}
	a.lastAudit = now
	return true
}

// urgency says what the dead still need, the least urgent first.
type urgency int

const (
	nothing urgency = iota
	exiting         // a dead process may still be in system calls: nobody can do anything yet
	ended           // it was repaired, but for what had to wait until its system calls ended
	fresh           // nobody has repaired a dead process yet
)

// need returns what a participant needs.
func (a *attachment) need(slot uint32) urgency {
	switch {
	case !a.dead(slot):
		return nothing
	case a.participants[slot-1].phase.Load() == 0 && a.fenced(slot):
		return fresh
	case !a.exited(slot):
		return exiting
	case a.participants[slot-1].phase.Load() == 0:
		return fresh
	}
	return ended
}

// most returns the most urgent need of any participant.
func (a *attachment) most() urgency {
	need := nothing
	for s := uint32(1); s <= a.highest() && need < fresh; s++ {
		need = max(need, a.need(s))
	}
	return need
}

// unbegun reports whether a participant is dead whom nobody can begin to repair,
// because no barrier reaches its process: then everybody waits for its end.
func (a *attachment) unbegun() bool {
	for s := uint32(1); s <= a.highest(); s++ {
		if a.dead(s) && a.participants[s-1].phase.Load() == 0 && !a.fenced(s) {
			return true
		}
	}
	return false
}

// lookPatience is the longest time between two looks of one Look. After it the
// guardian takes over, which sleeps on the words of others meanwhile.
const lookPatience = 800 * time.Microsecond

// repairMarked repairs the participants that are marked dead until nobody is
// left with a need that is this process's duty, and returns the most urgent such
// need if it takes too long. Everybody has to see that repairs begin; whoever
// began one also waits for the end of the dead process. So of all that notice a
// death, one works.
func (a *attachment) repairMarked() urgency {
	for pause := firstPause; ; pause = longer(pause) {
		need := a.most()
		switch {
		case need == nothing:
			a.duty = fresh
		case a.unbegun():
			a.duty = exiting
		}
		if need < a.duty {
			return nothing
		}
		if pause > lookPatience || a.pin() == nil {
			return need
		}
		if need > exiting && a.tryRepair() {
			a.duty = exiting
			continue
		}
		_ = rest(context.Background(), pause)
	}
}

// tryRepair repairs once if the structural lock is free, and reports whether it was.
func (a *attachment) tryRepair() bool {
	// Not for want of a descriptor either: a later call tries again.
	ran, err := a.lockedNow(func() error { a.repairDead(); return nil })
	return ran && err == nil
}
