package shm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// look runs f on the segment's memory. The lookers take no lock and change no
// byte, so they answer while everything hangs, and on read-only segments.
func (s *Segment) look(f func(a *attachment) error) error {
	u, m := s.enter()
	if m == nil {
		return u.gone()
	}
	defer object.Unpin(m)
	if err := u.a.sound(); err != nil {
		return err
	}
	if err := f(u.a); err != nil {
		return err
	}
	return u.a.sound() // else it was nothing that was looked at
}

// Stat returns sizes and counters. It waits for no lock. After Close it is fs.ErrClosed.
func (s *Segment) Stat() (st Stat, err error) {
	err = s.look(func(a *attachment) error {
		st = Stat{
			Used:    a.used(),
			Size:    int64(a.header.size.Load()),
			Created: time.Unix(0, int64(a.header.created.Load())),
			Deaths:  a.header.deaths.Load(),
		}
		st.Used = min(st.Used, st.Size) // what came and went meanwhile may be counted twice
		return nil
	})
	return st, err
}

// Participants returns the processes that are attached, and those that died and
// are not yet repaired. It waits for no lock.
func (s *Segment) Participants() (ps []Participant, err error) {
	err = s.look(func(a *attachment) error {
		ps = a.attached()
		return nil
	})
	return ps, err
}

// attached returns the participants that have not closed the segment.
func (k *keeper) attached() (ps []Participant) {
	for slot := uint32(1); slot <= k.highest(); slot++ {
		if !k.present(slot) {
			continue
		}
		if p, ok := k.observe(slot); ok {
			ps = append(ps, p)
		}
	}
	return ps
}

// participant returns what is known of a slot, whether it is taken or not.
func (k *keeper) participant(slot uint32) Participant {
	if slot < 1 || int64(slot) > k.geo.slots {
		return Participant{Slot: int(slot)}
	}
	p, _ := k.observe(slot)
	return p
}

// observe returns what is known of a slot, and whether it is all of one participant.
// Meanwhile the slot may become another one's, who changes the generation first and
// takes the slot last: so what was read of a slot that is taken, between two looks at
// one generation, is whole.
func (k *keeper) observe(slot uint32) (who Participant, whole bool) {
	generation := &k.participants[slot-1].generation
	for range participantLooks {
		g, taken := generation.Load(), k.taken(slot)
		who = k.describe(slot)
		if taken && generation.Load() == g {
			return who, true
		}
	}
	return who, false
}

// participantLooks is how often a participant is looked at that comes or goes, or has
// gone.
const participantLooks = 16

// describe returns what a slot says that may have another participant meanwhile.
func (k *keeper) describe(slot uint32) Participant {
	p := &k.participants[slot-1]
	return Participant{
		Slot:     int(slot),
		PID:      int(p.pid.Load()),
		Exe:      getText(p.exe[:]),
		UID:      int(p.uid.Load()),
		Attached: time.Unix(0, int64(p.attached.Load())),
		Alive:    k.taken(slot) && !k.dead(slot) && !k.exited(slot),
	}
}

// Objects returns the named objects in the order of the directory. It waits for
// no lock; each State is a hint.
func (s *Segment) Objects() (objects []Object, err error) {
	err = s.look(func(a *attachment) error {
		for i := range a.touched() {
			r, err := a.read(i)
			if err != nil || r.state != entryLive {
				continue // Check reports what cannot be read
			}
			o := Object{
				Name: r.name, Kind: r.kind.Name, Type: r.typ, Spec: r.kind.Describe(a.shape(r)),
				Size: r.size, Created: time.Unix(0, r.created), Creator: r.creator, State: "corrupt",
			}
			if core, err := a.core(r); err == nil {
				o.State = core.State()
			}
			objects = append(objects, o)
		}
		return nil
	})
	return objects, err
}

// Holds lists who holds what, and who sleeps on what. It waits for no lock, so
// it works when everything hangs; each line may be out of date at once.
func (s *Segment) Holds() (hs []Hold, err error) {
	err = s.look(func(a *attachment) error {
		hs = append(a.holds(), a.waits()...)
		return nil
	})
	return hs, err
}

func (k *keeper) holds() []Hold {
	var hs []Hold
	before := k.generations()
	k.eachHold(func(r *record, h object.Hold) bool {
		who := k.participant(h.Slot)
		if slot := int(h.Slot); slot >= 1 && slot < len(before) && k.participants[slot-1].generation.Load() != before[slot] {
			return true // the slot is another one's by now, who need not be the holder
		}
		hs = append(hs, Hold{Object: r.name, Kind: h.What, Count: h.Count, Participant: who})
		return len(hs) < maxHolds
	})
	return hs
}

// generations returns how many participants each slot has had, by slot.
func (k *keeper) generations() []uint32 {
	list := make([]uint32, k.highest()+1)
	for slot := range list[1:] {
		list[slot+1] = k.participants[slot].generation.Load()
	}
	return list
}

// eachHold calls yield for what participants hold of objects, until it returns false.
func (k *keeper) eachHold(yield func(r *record, h object.Hold) bool) {
	for i := range k.touched() {
		r, err := k.read(i)
		if err != nil || r.state == entryFree {
			continue // check reports what cannot be read
		}
		core, err := k.core(r)
		if err != nil {
			continue
		}
		more := true
		core.Holds(func(h object.Hold) bool {
			more = yield(&r, h)
			return more
		})
		if !more {
			return
		}
	}
}

// maxHolds bounds the list should the memory be nonsense.
const maxHolds = 1 << 16

// waits reads the boards on which participants show what their goroutines sleep on.
func (k *keeper) waits() []Hold {
	var hs []Hold
	for slot := uint32(1); slot <= k.highest(); slot++ {
		if !k.present(slot) {
			continue // its goroutines may be on their way out yet
		}
		counts := map[uint32]int{}
		for i := range k.participants[slot-1].board {
			if x := k.participants[slot-1].board[i].Load(); x != 0 && int64(x) <= k.geo.entries {
				counts[x-1]++
			}
		}
		for index, n := range counts {
			if r, err := k.read(int(index)); err == nil && r.state != entryFree {
				hs = append(hs, Hold{Object: r.name, Kind: r.kind.Name, Participant: k.participant(slot), Count: n, Waiting: true})
			}
		}
	}
	return hs
}

// Check verifies every invariant of the segment and of its objects, and joins
// the *CorruptErrors; nil if all is well. It waits for no lock and changes
// nothing. On a segment in use, what it finds in the middle of an operation is
// looked at again before it is reported.
func (s *Segment) Check() error {
	return s.look(func(a *attachment) error {
		found := a.check()
		for range checkRounds {
			if len(found) == 0 {
				return nil
			}
			// Only what is wrong every time is wrong: the rest was on its way.
			found = recurring(a.check(), found)
		}
		return errors.Join(found...)
	})
}

// checkRounds is how often a fault must be found again to be reported.
const checkRounds = 4

// recurring returns the errors of errs whose text is that of one of before.
func recurring(errs, before []error) []error {
	seen := map[string]bool{}
	for _, err := range before {
		seen[err.Error()] = true
	}
	return slices.DeleteFunc(errs, func(err error) bool { return !seen[err.Error()] })
}

func (a *attachment) check() []error {
	errs := a.checkHeader()
	errs = append(errs, a.checkParticipants()...)
	errs = append(errs, a.checkDirectory()...)
	return errs
}

func (a *attachment) checkHeader() []error {
	var errs []error
	bad := func(field string, off int64, got, want any) {
		errs = append(errs, corruptSegment(a.label, mem.Corrupt("header."+field, off, got, want)))
	}
	h := a.header
	if got := h.magic.Load(); got != magic {
		bad("magic", 0, hexNum(got), hexNum(uint64(magic)))
	}
	if got := h.version.Load(); got != layoutVersion {
		bad("version", 8, got, layoutVersion)
	}
	if got := h.ready.Load(); got != readyMark {
		bad("ready", 16, hexNum(got), hexNum(uint64(readyMark)))
	}
	if got := h.state.Load(); got > stateRemoved {
		bad("state", 24, got, "0 or 1")
	}
	fix := fixed{
		slots: int64(h.slots.Load()), entries: int64(h.entries.Load()), maxSize: int64(h.maxSize.Load()),
		lifetime: Lifetime(h.lifetime.Load()), backend: h.backend.Load(),
	}
	if got, want := h.specHash.Load(), fix.hash(); got != want {
		bad("specHash", 104, hexNum(got), hexNum(want))
	}
	size := int64(h.size.Load())
	if size < a.geo.heapOff || size > a.maxSize {
		bad("size", 40, size, "between heapOff and maxSize")
	}
	if got := int64(h.fresh.Load()); got < a.geo.heapOff || got > size {
		bad("fresh", 64, got, "between heapOff and size")
	}
	if got := h.high.Load(); int64(got) > a.geo.slots {
		bad("high", 400, got, "at most slots")
	}
	return errs
}

func (a *attachment) checkParticipants() []error {
	var errs []error
	for slot := uint32(1); int64(slot) <= a.geo.slots; slot++ {
		p := &a.view.participants[slot-1]
		word := p.word.Load()
		if word != 0 && slot > a.header.high.Load() {
			errs = append(errs, corruptSegment(a.label,
				mem.Corrupt("participant.word", wordOf(slot), hexNum(word), "0 above header.high")))
		}
		if left, phase := p.left.Load(), p.phase.Load(); left > 1 || phase > 1 {
			errs = append(errs, corruptSegment(a.label,
				mem.Corrupt("participant.left", wordOf(slot)+8, fmt.Sprint(left, " ", phase), "0 or 1 each")))
		}
	}
	return errs
}

func (a *attachment) checkDirectory() []error {
	var errs []error
	names := map[string]record{}
	var last []record
	for i := range a.entries {
		r, err := a.read(i)
		if err != nil {
			errs = append(errs, corruptSegment(a.label, err))
			continue
		}
		if r.state == entryFree {
			continue
		}
		base := a.geo.entriesOff + int64(i)*entrySize
		if r.state == entryLive {
			if o, ok := names[r.name]; ok && a.unchanged(o) {
				errs = append(errs, corruptSegment(a.label, mem.Corrupt("entry.name", base, r.name, fmt.Sprint("not that of entry ", o.index))))
			}
			names[r.name] = r
		}
		for _, o := range last {
			if r.off < o.off+o.size && o.off < r.off+r.size && a.unchanged(o) {
				errs = append(errs, corruptSegment(a.label, mem.Corrupt("entry.off", base, r.off, fmt.Sprint("outside of entry ", o.index))))
			}
		}
		last = append(last, r)
		errs = append(errs, a.checkObject(r)...)
	}
	return errs
}

// unchanged reports whether an entry still says what r does: then it did so when any
// other one was read since.
func (a *attachment) unchanged(r record) bool {
	return a.entries[r.index].state.Load() == packState(r.generation, r.state)
}

func (a *attachment) checkObject(r record) []error {
	core, err := a.core(r)
	if err != nil {
		return []error{corruptObject(a.label, r.name, err)}
	}
	live := func(slot uint32) bool { return slot >= 1 && int64(slot) <= a.geo.slots && a.taken(slot) }
	var errs []error
	for _, err := range core.Check(live) {
		errs = append(errs, corruptObject(a.label, r.name, err))
	}
	return errs
}
