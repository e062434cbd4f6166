//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/shm"
)

// watchdog bounds waits for what must happen, on a machine that is busy.
const watchdog = 2 * time.Minute

// settle lets every hand of every child do a few things more: who has lost a
// wake-up does not. A child that dies meanwhile, of the hazard, is let go.
func (d *round) settle(ctx context.Context) error {
	for seat := range d.children {
		if err := d.settleChild(ctx, seat); err != nil {
			return err
		}
	}
	return nil
}

func (d *round) settleChild(ctx context.Context, seat int) error {
	c := d.children[seat]
	var from [hands]int64
	for start, first := time.Now(), true; ; {
		select {
		case <-c.Done():
			return d.ended(ctx, seat)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		lazy := -1
		b, err := os.ReadFile(filepath.Join(d.books(), fmt.Sprint("tally-", c.number)))
		if err != nil || len(b) < tallySize {
			lazy = 0
		}
		for hand := 0; lazy < 0 && hand < handHazard; hand++ {
			switch n := number(tally(b).done(hand, steps)); {
			case first:
				from[hand] = n
			case hand == handPools && !poolers(seat):
			case n < from[hand]+3:
				lazy = hand
			}
		}
		if lazy < 0 && !first {
			return nil
		}
		if lazy < 0 {
			first = false
		}
		if time.Since(start) > watchdog {
			return d.hangs(c, fmt.Sprintf("hangs: its hand %d (of %d: puts, takes, locks, reckons, gathers, talks; builds, pools) does nothing", lazy, handsEach))
		}
	}
}

// clear ends all children: in good order, or all at once. Then no process is left,
// also none of those that they have started, which notice that they are alone.
func (d *round) clear() error {
	end := (*child).kill
	if d.r.IntN(2) == 0 {
		end = (*child).quit
	}
	for _, c := range d.children {
		end(c)
	}
	var errs []error
	for _, c := range d.children {
		errs = append(errs, d.end(c))
	}
	d.children = nil
	for number := range d.next {
		var left bool
		var failed error
		err := until("no process is left", func() bool {
			left, failed = d.left(number)
			return failed != nil || !left
		})
		if err != nil {
			err = fmt.Errorf("of child %d: %w\n%s", number, err, d.output(number))
		}
		errs = append(errs, err, failed)
	}
	return errors.Join(errs...)
}

// What fails in these is only that the child has ended.
func (c *child) kill() { _ = c.Kill() }
func (c *child) quit() { _ = c.Stop() }

// evidence describes the segments and keeps a copy of them. The children stand
// still meanwhile.
func (d *round) evidence(ctx context.Context) string {
	var b strings.Builder
	for _, c := range d.children {
		_ = c.Kill()
		if text := c.out.String(); text != "" {
			fmt.Fprintf(&b, "child %d (pid %d) wrote:\n%s\n", c.number, c.PID(), text)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchdog)
	defer cancel()
	for _, name := range segments {
		fmt.Fprintf(&b, "segment %s, kept in %s: %v\n", name, d.Dir, d.keep(name))
		seg, err := shm.Open(ctx, name, &shm.Options{Dir: d.segments(), ReadOnly: true})
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		describe(&b, seg)
		_ = seg.Close()
	}
	return b.String()
}

// describe writes what shmctl shows.
func describe(b *strings.Builder, seg *shm.Segment) {
	stat, err := seg.Stat()
	fmt.Fprintf(b, "%+v %v\n", stat, err)
	participants, err := seg.Participants()
	fmt.Fprintf(b, "%+v %v\n", participants, err)
	holds, err := seg.Holds()
	for _, h := range holds {
		fmt.Fprintf(b, "%+v\n", h)
	}
	objects, err2 := seg.Objects()
	for _, o := range objects {
		fmt.Fprintf(b, "%+v\n", o)
	}
	fmt.Fprintln(b, err, err2, seg.Check())
}

// keep copies the file of a segment to where it stays.
func (d *round) keep(name string) error {
	from, err := os.Open(filepath.Join(d.segments(), name+".shoal"))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(d.Dir, name+".shoal"))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
