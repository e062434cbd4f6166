//go:build shmcheck

package rw_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// TestProofSchedulesOfTries plays those that only try: where nobody has the lock or
// waits for it, one of them gets it, and who has no chance keeps nobody out.
func TestProofSchedulesOfTries(t *testing.T) {
	one, two, three := explore.Limits{Switches: 1}, explore.Limits{Switches: 2}, explore.Limits{Switches: 3}
	explore.Prove(t, []explore.Scene{
		{Name: "to write and to read", Quick: three, Full: explore.Limits{Switches: 4}, Play: tries("wr", false)},
		{Name: "two to write", Quick: two, Full: three, Play: tries("ww", false)},
		{Name: "to read and twice to write", Quick: one, Full: two, Play: tries("rww", false)},
		{Name: "to write and to read, beside a reader", Quick: three, Full: three, Play: tries("wr", true)},
	})
}

// tries has one participant for each letter: w tries to write, r to read, and keeps
// what it gets. If read, somebody reads all the time.
func tries(parts string, read bool) func() explore.Play {
	return func() explore.Play {
		w := newWorld(robust.Release)
		if read {
			if err := w.join(9).rlock(context.Background()); err != nil {
				panic(err)
			}
		}
		var in inside
		var bodies []explore.Body
		for i, kind := range parts {
			slot := uint32(i + 1)
			p := w.join(slot)
			try, got := p.tryLock, &in.writers
			if kind == 'r' {
				try, got = p.tryRLock, &in.readers
			}
			bodies = append(bodies, explore.Body{Name: fmt.Sprintf("%c%d", kind, slot), Run: func() error {
				err := try()
				if errors.Is(err, robust.ErrLocked) {
					return nil
				}
				*got++
				return err
			}})
		}
		return explore.Play{Bodies: bodies, Finish: func([]uint32) error {
			switch {
			case in.writers > 1 || in.writers > 0 && (in.readers > 0 || read):
				return fmt.Errorf("all have it: %+v", in)
			case in == inside{}, read && in.readers == 0:
				return fmt.Errorf("it was to be had: %+v", in)
			}
			return w.Faults()
		}}
	}
}
