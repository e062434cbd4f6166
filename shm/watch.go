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
	least := fresh
	if a.auditDue() {
		a.audit()
		least = exiting // whoever began may be stopped
	}
	a.repairMarked(least)
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

// urgency says what the dead still need, the least urgent first.
type urgency int

const (
	nothing urgency = iota
	exiting         // a dead process was repaired, but for what needs its last system calls to end
	fresh           // nobody has repaired a dead process yet
)

// most returns the most urgent need of any participant.
func (a *attachment) most() urgency {
	need := nothing
	for s := uint32(1); s <= a.highest(); s++ {
		if !a.dead(s) {
			continue
		}
		if a.participants[s-1].phase.Load() == 0 {
			return fresh
		}
		need = exiting
	}
	return need
}

// repairMarked repairs the participants that are marked dead until no need of
// at least that urgency is left, whoever meets it. Who began a repair also
// waits for the end of the dead process: of all that notice a death, one does.
func (a *attachment) repairMarked(least urgency) {
	for pause := firstPause; a.most() >= least; pause = min(2*pause, lastPause) {
		if a.pin() == nil {
			return
		}
		ok, err := a.tryRepair()
		if err != nil {
			return // the next audit tries again
		}
		if ok {
			least = exiting
		}
		if a.most() >= least {
			_ = rest(context.Background(), pause)
		}
	}
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
