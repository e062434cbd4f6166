//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// audit compares the books with the segments when no child is left. It goes on
// after a fault, to find all.
func (d *round) audit(ctx context.Context) error {
	opts := &shm.Options{Dir: d.segments()}
	var errs []error
	for i, name := range segments {
		if err := d.auditSegment(ctx, i, name, opts); err != nil {
			errs = append(errs, fmt.Errorf("segment %s: %w", name, err))
		}
	}
	if err := pruned(ctx, opts); err != nil {
		errs = append(errs, err)
	}
	total, err := sums(d.books(), func(int) bool { return true })
	d.Operations += int(total[steps].done)
	d.Closes += int(total[closes].done)
	d.Refusals += int(total[spaces].done + total[shortages].done)
	return errors.Join(append(errs, err)...)
}

// pruned waits until the segments of those who are dead are gone.
func pruned(ctx context.Context, opts *shm.Options) error {
	var names []string
	var failed error
	err := until("only the segments of the round are left", func() bool {
		_, e1 := shm.Prune(ctx, opts)
		var e2 error
		names, e2 = shm.List(opts)
		failed = errors.Join(e1, e2)
		return failed != nil || slices.Equal(names, segments)
	})
	if err != nil {
		err = fmt.Errorf("%w: %q", err, names)
	}
	return errors.Join(err, failed)
}

func (d *round) auditSegment(ctx context.Context, i int, name string, opts *shm.Options) (err error) {
	seg, err := shm.Open(ctx, name, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	p, err := openPark(ctx, seg)
	if err != nil {
		return err
	}
	if err := d.alone(seg); err != nil {
		return err
	}
	if i == 0 {
		if err := d.hear(seg); err != nil {
			return err
		}
	}
	total, err := sums(d.books(), func(hand int) bool { return hand/handsEach == i })
	if err != nil {
		return err
	}
	errs := []error{seg.Check(), d.reckon(p, total), settleLocks(ctx, p), settleShared(ctx, p), settleNumbers(ctx, p), settleMap(ctx, p, total[mapAdds]), d.swept(ctx, seg, name)}
	for l := range lanes {
		if err := d.auditLane(ctx, p, name, l); err != nil {
			errs = append(errs, fmt.Errorf("queue %s: %w", lanes[l].name, err))
		}
	}
	return errors.Join(append(errs, seg.Check())...)
}

// until waits for what nobody tells.
func until(what string, ok func() bool) error {
	for start := time.Now(); !ok(); <-time.After(time.Millisecond) {
		if time.Since(start) > watchdog {
			return fmt.Errorf("never: %s", what)
		}
	}
	return nil
}

// hear waits until all deaths are told. A death is counted when the slot is free
// already, so that the last one may not be counted yet.
func (d *round) hear(seg *shm.Segment) error {
	var stat shm.Stat
	err := until("all deaths are told", func() bool {
		var err error
		stat, err = seg.Stat()
		return err == nil && d.told.Load() == int64(stat.Deaths)
	})
	if err != nil {
		return fmt.Errorf("%w: %d of %d", err, d.told.Load(), stat.Deaths)
	}
	return nil
}

// alone waits until every other participant is gone and repaired: also those who
// closed the segment and then died, who are no longer shown, but what they hold is.
func (d *round) alone(seg *shm.Segment) error {
	var list []shm.Participant
	var holds []shm.Hold
	err := until("only the auditor is left, and nothing is held", func() bool {
		var err, err2 error
		list, err = seg.Participants()
		holds, err2 = seg.Holds()
		return err == nil && err2 == nil && len(list) == 1 && len(holds) == 0
	})
	if err != nil {
		return fmt.Errorf("%w: %v, %+v", err, list, holds)
	}
	return nil
}

// reckon compares what was counted with what is there.
func (d *round) reckon(p *park, total [tallyKinds]sum) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	x := p.value.Load()
	if x != chapterOf(x.Seq) {
		bad("the value is torn: %+v", x)
	}
	if !total[updates].allows(int64(x.Seq)) {
		bad("the value was updated %+v times, and is %d", total[updates], x.Seq)
	}
	if n := p.number.Load(); !total[adds].allows(n) {
		bad("the number was added to %+v times, and is %d", total[adds], n)
	}
	var all int64
	for _, n := range p.numbers.All() {
		all += n
	}
	if !total[slotAdds].allows(all) {
		bad("the array was added to %+v times, and its sum is %d", total[slotAdds], all)
	}
	free := int64(p.events.Available() - supplied)
	if s, c := total[supplies], total[consumes]; free < s.done-c.begun || free > s.begun-c.done {
		bad("%+v events were added, %+v taken, and there are %d more than at the start", s, c, free)
	}
	words := make([]uint64, slots)
	p.words.CopyOut(0, words)
	if err := (&reckoner{}).checkWords(words); err != nil {
		bad("%w", err)
	}
	if n := p.permits.Available(); n != permits {
		bad("%d permits are free, want %d", n, permits)
	}
	if err := p.permits.TryAcquire(permits); err != nil {
		bad("taking all permits: %w", err)
	} else if err := p.permits.Release(permits); err != nil {
		bad("giving back all permits: %w", err)
	}
	return errors.Join(errs...)
}

// settleLocks takes each mutex: nobody has it, and its books are as one death left
// them at most.
func settleLocks(ctx context.Context, p *park) error {
	var errs []error
	for i, m := range p.mutexes {
		repair := func() error { return p.mend(i) }
		err := m.TryLock()
		if errors.Is(err, lock.ErrPoisoned) && i == poisoned {
			if err = m.Recover(ctx, repair); err == nil {
				err = m.TryLock()
			}
		}
		if err == nil && i == released {
			err = repair()
		}
		if err == nil {
			err = p.enter(i, 0)
		}
		if err == nil {
			err = m.Unlock()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("mutex %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// settleShared takes the read-write mutex for writing: no reader is left.
func settleShared(ctx context.Context, p *park) error {
	g := &gatherer{park: p}
	err := g.mended(ctx, p.shared.TryLock())
	if errors.Is(err, lock.ErrPoisoned) {
		err = p.shared.TryLock()
	}
	if err == nil {
		err = p.enter(written, 0)
	}
	if err == nil {
		err = p.shared.Unlock()
	}
	if err != nil {
		return fmt.Errorf("read-write mutex: %w", err)
	}
	return nil
}

// swept removes what builders left, and looks whether all its room is free.
func (d *round) swept(ctx context.Context, seg *shm.Segment, name string) error {
	objects, err := seg.Objects()
	if err != nil {
		return err
	}
	for _, o := range objects {
		if strings.HasPrefix(o.Name, passing) {
			if err := seg.Remove(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	// Those who closed the segment and then died are no longer shown, and may not
	// yet be repaired.
	var stat shm.Stat
	err = until("all room is free", func() bool {
		stat, err = seg.Stat()
		return err != nil || stat.Used == d.used[name]
	})
	if err != nil {
		err = fmt.Errorf("%w: %d bytes are in use, at the start it were %d", err, stat.Used, d.used[name])
	}
	return err
}

// auditLane empties a queue and compares it with what was written down.
func (d *round) auditLane(ctx context.Context, p *park, segment string, i int) error {
	dir := filepath.Join(d.books(), segment, lanes[i].name)
	j, err := openJournal(dir, consumer, 1<<31)
	if err != nil {
		return err
	}
	defer j.f.Close()
	if err := p.lanes[i].drain(j); err != nil {
		return err
	}
	total, err := sums(d.books(), func(int) bool { return true })
	if err != nil {
		return err
	}
	l, err := readLedger(dir, d.Starts+int(total[closes].done))
	if err != nil {
		return err
	}
	d.Messages += l.settled()
	if err := l.audit(); err != nil {
		return err
	}
	return d.compareRoom(ctx, p, i)
}

// compareRoom compares the room in a queue with that in a new one.
func (d *round) compareRoom(ctx context.Context, p *park, i int) error {
	fresh, err := createLike(ctx, p, i)
	if errors.Is(err, shm.ErrNoSpace) && d.Hazard == space {
		return nil
	}
	if err != nil {
		return err
	}
	want, err := fresh.room()
	if err != nil {
		return err
	}
	have, err := p.lanes[i].room()
	if err == nil && have != want {
		err = fmt.Errorf("there is room for %s in a new queue for %s", have, want)
	}
	return err
}

// createLike creates a queue of the same spec.
func createLike(ctx context.Context, p *park, i int) (lane, error) {
	return lanes[i].lane.create(ctx, p.seg, "fresh/"+lanes[i].name, p.lanes[i].spec())
}
