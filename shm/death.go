package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// whats is what can be held; records of deaths store the index plus 1. New ones
// are added at the end.
var whats = [...]string{"lock", "permit", "delivery", "loan", "claimed slot", "message", "role", "read lock"} //nolint:gochecknoglobals // a constant table

// recordDeath writes down that a participant died and what it held, before any
// of that is given back. It is called again if the repairer dies. It reports
// false if there is no record, because as many processes are just about to end.
func (k *keeper) recordDeath(slot uint32) bool {
	p := &k.participants[slot-1]
	if p.left.Load() != 0 {
		return true // it closed the segment before it died
	}
	rec := k.deathRecord(slot)
	if rec == nil {
		if rec = k.takeRecord(slot); rec == nil {
			return false
		}
	}
	token := uint64(p.generation.Load())<<32 | uint64(slot)
	if rec.filled.Load() == token {
		return true
	}
	rec.filled.Store(0)
	rec.done.Store(0)
	rec.slot.Store(slot)
	rec.pid.Store(p.pid.Load())
	rec.uid.Store(p.uid.Load())
	rec.attached.Store(p.attached.Load())
	rec.time.Store(uint64(time.Now().UnixNano()))
	for i := range rec.exe {
		rec.exe[i].Store(p.exe[i].Load())
	}
	held := uint32(0)
	k.eachHold(func(r *record, h object.Hold) bool {
		if h.Slot == slot {
			putText(rec.held[held].name[:], r.name)
			rec.held[held].what.Store(uint32(slices.Index(whats[:], h.What) + 1))
			rec.held[held].count.Store(uint32(h.Count))
			held++
		}
		return held < deathHolds
	})
	rec.holds.Store(held)
	rec.filled.Store(token)
	return true
}

// deathRecord returns the record of a dead participant, nil if it has none.
func (k *keeper) deathRecord(slot uint32) *death {
	i := k.participants[slot-1].recorded.Load()
	if i < 1 || i > deathRecords {
		return nil
	}
	return &k.deaths[i-1]
}

// takeRecord gives a dead participant the record of the oldest death that is
// told. There is none if all are in use by deaths that are not.
func (k *keeper) takeRecord(slot uint32) *death {
	var used [deathRecords + 1]bool
	for s := uint32(1); s <= k.highest(); s++ {
		if i := k.participants[s-1].recorded.Load(); k.dead(s) && i <= deathRecords {
			used[i] = true
		}
	}
	oldest, told := -1, k.header.deaths.Load()
	for i := range k.deaths {
		if !used[i+1] && k.deaths[i].done.Load() <= told && (oldest < 0 || k.deaths[i].done.Load() < k.deaths[oldest].done.Load()) {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil
	}
	rec := &k.deaths[oldest]
	rec.filled.Store(0)
	k.participants[slot-1].recorded.Store(uint64(oldest) + 1)
	return rec
}

// closeRecord gives a death its number: its record will not change any more. It
// is told after the slot is free; should the repairer die before announceDeaths,
// the next one announces it.
func (k *keeper) closeRecord(slot uint32) {
	rec := k.deathRecord(slot)
	if rec == nil || rec.done.Load() != 0 {
		return
	}
	rec.done.Store(k.lastDeath() + 1)
}

// lastDeath returns the highest number that a death has got, told or not.
func (k *keeper) lastDeath() uint64 {
	last := k.header.deaths.Load()
	for i := range k.deaths {
		last = max(last, k.deaths[i].done.Load())
	}
	return last
}

// announceDeaths lets Deaths yield the closed records.
func (k *keeper) announceDeaths() {
	if last := k.lastDeath(); last != k.header.deaths.Load() {
		k.header.deaths.Store(last) // commit; pairs with: shm.header.deaths (nextDeath)
		bump(&k.header.deathSeq)
	}
}

// findDeath returns the record of death n, nil if there is none, or none any more.
func (v *view) findDeath(n uint64) *death {
	for i := range v.deaths {
		if v.deaths[i].done.Load() == n {
			return &v.deaths[i]
		}
	}
	return nil
}

// readDeath returns death n, or false if its record was overwritten meanwhile.
func (v *view) readDeath(n uint64) (Death, bool) {
	rec := v.findDeath(n)
	if rec == nil {
		return Death{}, false
	}
	d := Death{
		Participant: Participant{
			Slot:     int(rec.slot.Load()),
			PID:      int(rec.pid.Load()),
			UID:      int(rec.uid.Load()),
			Exe:      getText(rec.exe[:]),
			Attached: time.Unix(0, int64(rec.attached.Load())),
		},
		Time: time.Unix(0, int64(rec.time.Load())),
	}
	for i := range min(rec.holds.Load(), deathHolds) {
		h := &rec.held[i]
		hold := Hold{Object: getText(h.name[:]), Count: int(h.count.Load()), Participant: d.Participant}
		if w := h.what.Load(); w >= 1 && int(w) <= len(whats) {
			hold.Kind = whats[w-1]
		}
		d.Held = append(d.Held, hold)
	}
	return d, rec.done.Load() == n
}

// Deaths yields each participant that dies from now on without closing, after
// what it held was given back, and at the end one error: ctx.Err() or
// fs.ErrClosed. It blocks between deaths until ctx is done or the segment is
// closed. Who reads so slowly that 64 deaths come meanwhile misses the oldest.
// Several goroutines may each range over a sequence of their own. Of what a
// participant held, at most eight things are recorded. Each death is yielded
// once, whoever dies while repairing it.
func (s *Segment) Deaths(ctx context.Context) iter.Seq2[Death, error] {
	u, m := s.enter()
	if m == nil {
		return func(yield func(Death, error) bool) { yield(Death{}, u.gone()) }
	}
	next := u.a.header.deaths.Load() + 1
	object.Unpin(m)
	return func(yield func(Death, error) bool) {
		for {
			d, err := u.nextDeath(ctx, &next)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func (u *use) nextDeath(ctx context.Context, next *uint64) (Death, error) {
	m := u.Pin()
	if m == nil {
		return Death{}, u.gone()
	}
	defer object.Unpin(m)
	h := u.a.header
	for {
		seq := h.deathSeq.Load()
		last := h.deaths.Load() // pairs with: shm.header.deaths (announceDeaths)
		if err := ctx.Err(); err != nil {
			return Death{}, err
		}
		if last >= *next && last-*next >= deathRecords {
			*next = last - deathRecords + 1
		}
		// last may be any number: the turns are counted, not compared.
		for turns := last - *next + 1; turns <= deathRecords && turns > 0; turns-- {
			d, ok := u.a.readDeath(*next)
			*next++
			if ok {
				return d, nil
			}
		}
		if err := u.awaitDeath(ctx, seq); err != nil {
			if errors.Is(err, fs.ErrClosed) {
				err = u.gone()
			}
			return Death{}, err
		}
	}
}

// awaitDeath sleeps until the header's death word is no longer seq.
func (u *use) awaitDeath(ctx context.Context, seq uint32) error {
	if err := u.a.deathPoint.Enter(ctx, u.Party); err != nil {
		return err
	}
	defer u.a.deathPoint.Leave()
	return u.a.deathPoint.Sleep(ctx, u.Party, seq, wait.Slice)
}

// String returns one line for a log.
func (d Death) String() string {
	var b strings.Builder
	b.WriteString(d.Participant.String() + " died")
	for i, h := range d.Held {
		if i == 0 {
			b.WriteString(" holding ")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", h.Count, h.Kind)
		b.WriteString(" of " + h.Object)
	}
	return b.String()
}

// String returns "4711 (store)".
func (p Participant) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Exe) }
