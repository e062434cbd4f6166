package shm

import (
	"context"
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
	list := make([]guardian.Word, 0, neighbours+1)
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

func (a *attachment) note(list []guardian.Word) {
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
// calls it when a watched word has changed, and from time to time.
func (a *attachment) Look() {
	m := a.pin()
	if m == nil {
		return
	}
	defer object.Unpin(m)
	// Noted before the scan: what changes during it makes the guardian call again.
	defer a.note(a.words())
	audited := a.auditDue()
	if audited {
		a.audit()
	}
	a.repairMarked(audited)
	a.sweep()
}

func (a *attachment) auditDue() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(a.lastAudit) < auditEvery && sys.Probe().RobustList {
		return false
	}
	a.lastAudit = now
	return true
}

// repairMarked repairs every participant that is marked dead, unless another
// process does it first. For those that have to exit before the rest can be
// given back it waits only if finish is set or it repaired the first part: of
// all processes that notice a death, one need wait.
func (a *attachment) repairMarked(finish bool) { //nolint:revive // a state of the loop, not a mode
	mine := finish
	for pause := firstPause; a.anyMarked(mine); pause = min(2*pause, lastPause) {
		if a.pin() == nil {
			return
		}
		ok, err := a.tryRepair()
		if err != nil {
			return
		}
		mine = mine || ok
		if a.anyMarked(mine) {
			_ = rest(context.Background(), pause)
		}
	}
}

// anyMarked reports whether a participant waits for repair: with all, also one
// that only has to exit.
func (a *attachment) anyMarked(all bool) bool {
	for s := uint32(1); s <= a.highest(); s++ {
		if a.dead(s) && (all || a.participants[s-1].phase.Load() == 0) {
			return true
		}
	}
	return false
}

// tryRepair repairs once if the structural lock is free, and reports whether it was.
func (a *attachment) tryRepair() (bool, error) {
	select {
	case a.gate <- struct{}{}:
	default:
		return false, nil
	}
	defer func() { <-a.gate }()
	ok, err := a.back.tryLock()
	if err != nil || !ok {
		return false, err
	}
	a.repairDead()
	return true, a.back.unlock()
}
