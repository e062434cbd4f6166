//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of an event.
const (
	raise = iota
	lower
	isUp  // out: 1 if it is
	await // until it is up
)

var eventNames = []string{"Set", "Clear", "IsSet", "Wait"}

func eventKind() kind {
	return kind{
		name: "event", variants: 1,
		create: func(ctx context.Context, seg *shm.Segment, name string, _ int) error {
			_, err := lock.CreateEvent(ctx, seg, name)
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			e, err := lock.OpenEvent(ctx, seg, name)
			return func(l *lane) subject { return &eventSubject{l, e} }, err
		},
		check: func(h *history) []part {
			sp := spec[bool]{
				next: func(up bool, x step) []bool { return nextEvent(up, x.call) },
				show: func(up bool) string { return fmt.Sprintf("up: %t", up) },
			}
			return []part{{sp.model(), h.steps(describeEvent, one[*call], func(death) int { return 0 })}}
		},
	}
}

func describeEvent(x step) string {
	if x.pending {
		return eventNames[x.op] + " killed"
	}
	return fmt.Sprintf("%s: %d %d", eventNames[x.op], x.code, x.out[0])
}

// nextEvent says what an event may become by c. Nobody holds anything: a death
// changes nothing.
func nextEvent(up bool, c *call) []bool {
	switch {
	case c.pending && c.op <= lower:
		return []bool{up, c.op == raise}
	case c.pending || c.code == gaveUp: // whoever gives up need not have looked
		return []bool{up}
	case c.op <= lower:
		return []bool{c.op == raise}
	case c.op == isUp:
		return only(up == (c.out[0] == 1), up)
	}
	return only(up && c.code == done, up)
}

type eventSubject struct {
	*lane
	e *lock.Event
}

func (s *eventSubject) step() error {
	switch s.rand.IntN(6) {
	case 0, 1:
		s.do(raise, [2]uint64{}, func() result { s.e.Set(); return result{} })
	case 2, 3:
		s.do(lower, [2]uint64{}, func() result { s.e.Clear(); return result{} })
	case 4:
		s.look()
	default:
		s.do(await, [2]uint64{}, func() result {
			ctx, cancel := s.briefly()
			defer cancel()
			switch err := s.e.Wait(ctx); {
			case errors.Is(err, context.DeadlineExceeded):
				return result{code: gaveUp}
			case err != nil:
				return result{code: torn}
			}
			return result{}
		})
	}
	return nil
}

func (s *eventSubject) look() {
	s.do(isUp, [2]uint64{}, func() result {
		if s.e.IsSet() {
			return result{out: [2]uint64{1}}
		}
		return result{}
	})
}

func (s *eventSubject) finish() error { return nil }

func (s *eventSubject) audit() error {
	s.look()
	return nil
}
