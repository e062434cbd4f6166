package ring

import (
	"fmt"
	"time"
)

// SetLap makes an empty queue one whose positions are at a lap, for tests of
// what happens when laps wrap.
func (r *Ring) SetLap(lap uint64) {
	at := lap << lapShift
	for i := range r.n {
		r.slots.At(i).word.Store(at)
	}
	r.head.writePos.Store(at)
	r.head.readPos.Store(at)
}

// SetTickets sets the counts of the word late.
func (r *Ring) SetTickets(n uint32) { r.head.late.Store(uint64(n)<<32 | uint64(n)) }

// SetEvents sets the words of all events.
func (r *Ring) SetEvents(v uint32) {
	for _, e := range []*event{&r.head.notEmpty, &r.head.notFull, &r.head.space, &r.head.idle} {
		e.word.Store(v)
	}
}

// Dump describes every slot that is not free, for messages of tests.
func (r *Ring) Dump() string {
	text := fmt.Sprintf("write %#x read %#x late %#x closing %d\n", r.head.writePos.Load(), r.head.readPos.Load(),
		r.head.late.Load(), r.head.closing.Load())
	for i := range r.n {
		s := r.slots.At(i)
		x := s.word.Load()
		text += fmt.Sprintf("slot %d: lap %#x %s tries %d owner %d length %d block %d after %#x\n", i, x>>lapShift, stateName(x),
			triesOf(x), ownerOf(x), s.length, s.block, s.after.Load())
	}
	for b := range r.owners {
		if x := r.owners[b].Load(); x != 0 {
			text += fmt.Sprintf("owner %d: kind %d pieces %d tag %d who %d\n", b, kindOf(x), piecesOf(x), x>>tagShift&tagMask, whoOf(x))
		}
	}
	return text
}

// FreeBlocks returns how many cells and granules nobody owns.
func (r *Ring) FreeBlocks() (free, all int) {
	for b := range r.owners {
		if r.owners[b].Load() == 0 {
			free++
		}
	}
	return free, len(r.owners)
}

// AtRest reports what keeps the queue from being empty, with nobody inside.
func (r *Ring) AtRest() error {
	for i := range r.n {
		if x := r.slots.At(i).word.Load(); stateOf(x) != free {
			return fmt.Errorf("slot %d is %s", i, stateName(x))
		}
	}
	if free, all := r.FreeBlocks(); free != all {
		return fmt.Errorf("%d of %d blocks are free", free, all)
	}
	return nil
}

// NoSlices makes the waits of p sleep until they are woken, so that a test in
// which a wake-up is lost hangs.
func (p *Port) NoSlices() { p.slice = time.Hour }

// Done is what Join waits for.
func (r *Ring) Done() (done, sure bool) { return r.done() }
