package shm

import (
	"context"
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
var whats = [...]string{"lock", "permit", "delivery", "loan", "claimed slot", "message", "role"} //nolint:gochecknoglobals // a constant table

// recordDeath writes down that a participant died and what it held, before any
// of that is given back. It is called again if the repairer dies.
func (k *keeper) recordDeath(slot uint32) {
	p := &k.participants[slot-1]
	if p.left.Load() != 0 {
		return // it closed the segment before it died
	}
	n := p.recorded.Load()
	if n == 0 {
		n = k.nextDeath()
		p.recorded.Store(n)
	}
	rec := &k.deaths[(n-1)%deathRecords]
	if rec.filled.Load() == n {
		return
	}
	rec.filled.Store(0)
	rec.slot.Store(slot)
	rec.pid.Store(p.pid.Load())
	rec.uid.Store(p.uid.Load())
	rec.attached.Store(p.attached.Load())
	rec.time.Store(uint64(time.Now().UnixNano()))
	for i := range rec.exe {
		rec.exe[i].Store(p.exe[i].Load())
	}
	held := 0
	for _, h := range k.holds() {
		if h.Participant.Slot != int(slot) || held == deathHolds {
			continue
		}
		putText(rec.held[held].name[:], h.Object)
		rec.held[held].what.Store(uint32(slices.Index(whats[:], h.Kind) + 1))
		rec.held[held].count.Store(uint32(h.Count))
		held++
	}
	rec.holds.Store(uint32(held))
	rec.filled.Store(n)
}

// nextDeath returns the number, from 1, of a death that has none yet.
func (k *keeper) nextDeath() uint64 {
	n := k.header.deaths.Load()
	for s := uint32(1); s <= k.highest(); s++ {
		if k.taken(s) {
			n = max(n, k.participants[s-1].recorded.Load())
		}
	}
	for i := range k.deaths {
		n = max(n, k.deaths[i].done.Load())
	}
	return n + 1
}

// closeRecord says that a participant's record will not change any more. It is
// yielded after the slot is free; should the repairer die before announceDeaths,
// whoever repairs that death announces both.
func (k *keeper) closeRecord(slot uint32) {
	if n := k.participants[slot-1].recorded.Load(); n != 0 {
		k.deaths[(n-1)%deathRecords].done.Store(n)
	}
}

// announceDeaths lets Deaths yield the closed records, in the order of their
// numbers: up to the first that is still open.
func (k *keeper) announceDeaths() {
	for next := k.header.deaths.Load() + 1; k.deaths[(next-1)%deathRecords].done.Load() == next; next++ {
		k.header.deaths.Store(next) // commit; pairs with: shm.header.deaths (nextDeath)
	}
	bump(&k.header.deathSeq)
}

// readDeath returns record n, or false if it was overwritten meanwhile.
func (v *view) readDeath(n uint64) (Death, bool) {
	rec := &v.deaths[(n-1)%deathRecords]
	if rec.filled.Load() != n {
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
	return d, rec.filled.Load() == n
}

// Deaths yields each participant that dies from now on without closing, after
// what it held was given back, and at the end one error: ctx.Err() or
// fs.ErrClosed. It blocks between deaths until ctx is done or the segment is
// closed. Who reads so slowly that 64 deaths come meanwhile misses the oldest.
// Several goroutines may each range over a sequence of their own. Of what a
// participant held, at most eight things are recorded.
func (s *Segment) Deaths(ctx context.Context) iter.Seq2[Death, error] {
	u, m := s.enter()
	if m == nil {
		return func(yield func(Death, error) bool) { yield(Death{}, fs.ErrClosed) }
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
		return Death{}, fs.ErrClosed
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
		for *next <= last {
			d, ok := u.a.readDeath(*next)
			*next++
			if ok {
				return d, nil
			}
		}
		if err := u.awaitDeath(ctx, seq); err != nil {
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
