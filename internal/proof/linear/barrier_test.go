//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a barrier.
const (
	arrive = iota // out: the rank; has two steps: it comes, and it goes on
	abort
	reset    // has two steps: it breaks the barrier, and makes it as new
	isBroken // out: 1 if it is
)

var barrierNames = []string{"Wait", "Abort", "Reset", "Broken"}

// shattered is the code of a Wait that others broke off.
const shattered = failed + 1

func parties(variant int) int { return 2 + variant }

// barrierState is the model of a barrier: two characters, of which the first is
// broken or whole and the second has a bit for each dead process, and one for
// each lane.
type barrierState string

// What a lane does at a barrier.
const (
	away    = '.'
	waits   = 'w' // has come
	passes  = 'p' // all have come
	fails   = 'f' // somebody broke the barrier since it came
	absents = 'n' // will not come: its context was over before

	whole = '-'
	broke = 'x'

	headOfBarrier = 2
)

func (b barrierState) with(i int, c byte) barrierState {
	return b[:i] + barrierState(c) + b[i+1:]
}

// all moves every lane that waits on to c.
func (b barrierState) all(c byte) barrierState {
	head, lanes := b[:headOfBarrier], string(b[headOfBarrier:])
	return head + barrierState(strings.ReplaceAll(lanes, string(rune(waits)), string(rune(c))))
}

func (b barrierState) waiting() int {
	return strings.Count(string(b[headOfBarrier:]), string(rune(waits)))
}

// shatter breaks b.
func (b barrierState) shatter() barrierState { return b.all(fails).with(0, broke) }

func barrierKind() kind {
	return kind{
		name: "barrier", variants: 2,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			_, err := lock.CreateBarrier(ctx, seg, name, lock.BarrierSpec{Parties: parties(variant)})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			b, err := lock.OpenBarrier(ctx, seg, name)
			return func(l *lane) subject { return &barrierSubject{lane: l, b: b} }, err
		},
		check: checkBarrier,
	}
}

func checkBarrier(h *history) []part {
	procs := make([]int, h.lanes)
	for i := range h.calls {
		procs[h.calls[i].lane] = h.calls[i].proc
	}
	m := &barrierModel{parties: parties(h.variant), procs: procs}
	sp := spec[barrierState]{
		begin: barrierState(string(rune(whole)) + "\x00" + strings.Repeat(string(rune(away)), h.lanes)),
		next:  m.after,
		show:  func(b barrierState) string { return fmt.Sprintf("%q", string(b)) },
	}
	parts := func(c *call) int {
		if c.op == arrive || c.op == reset {
			return 2
		}
		return 1
	}
	return []part{{sp.model(), h.steps(describeBarrier, parts, one[death])}}
}

func describeBarrier(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d", x.dead)
	}
	text := fmt.Sprintf("%s by lane %d of %d, step %d", barrierNames[x.op], x.lane, x.proc, x.part)
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %d", text, x.code, x.out[0])
}

// barrierModel knows which process each lane is of.
type barrierModel struct {
	parties int
	procs   []int
}

// after says what b may become by x. Each party that was let go has come before
// the last one of its generation; its rank is how many were there.
func (m *barrierModel) after(b barrierState, x step) []barrierState {
	if x.call == nil {
		return []barrierState{m.die(b, x.dead)}
	}
	if x.pending && b[1]&(1<<x.proc) != 0 {
		return []barrierState{b} // it is over
	}
	var next []barrierState
	switch x.op {
	case arrive:
		next = m.arrive(b, x)
	case abort:
		next = only(x.code == done, b.shatter())
	case reset:
		next = m.reset(b, x)
	default:
		return only(x.pending || (x.out[0] == 1) == (b[0] == broke), b)
	}
	if x.pending {
		next = append(next, b)
	}
	return next
}

// die is b after a death: who waits for the dead one waits in vain.
func (m *barrierModel) die(b barrierState, proc int) barrierState {
	left := b.with(1, b[1]|1<<proc)
	for lane, p := range m.procs {
		i := headOfBarrier + lane
		if p != proc {
			continue
		}
		if b[i] == waits {
			left = left.shatter()
		}
		left = left.with(i, away)
	}
	return left
}

// reset makes it as new. It does so in two steps, of which others may see the
// first one, if anybody waits.
func (m *barrierModel) reset(b barrierState, x step) []barrierState {
	if x.part == 1 {
		return only(x.code == done, b.all(fails).with(0, whole))
	}
	if b.waiting() > 0 {
		return []barrierState{b, b.shatter()}
	}
	return []barrierState{b}
}

func (m *barrierModel) arrive(b barrierState, x step) []barrierState {
	i := headOfBarrier + x.lane
	if x.part == 1 {
		return m.leave(b, x, i)
	}
	if b[i] != away {
		return nil
	}
	var next []barrierState
	if x.code == gaveUp && !x.pending {
		next = append(next, b.with(i, absents))
	}
	switch n := b.waiting(); {
	case b[0] == broke:
		return append(next, b.with(i, fails))
	case !x.pending && x.code == done && uint64(n) != x.out[0]:
		return next
	case n+1 == m.parties:
		return append(next, b.all(passes).with(i, passes))
	}
	return append(next, b.with(i, waits))
}

// leave is the end of a Wait.
func (m *barrierModel) leave(b barrierState, x step, i int) []barrierState {
	gone := b.with(i, away)
	switch {
	case x.pending: // it may have given up before it was killed
		return only(b[i] == waits || b[i] == away, gone.shatter())
	case x.code == done:
		return only(b[i] == passes, gone)
	case x.code == shattered:
		return only(b[i] == fails, gone)
	case x.code == gaveUp && b[i] == fails: // others were quicker
		return []barrierState{gone}
	}
	return only(x.code == gaveUp && (b[i] == waits || b[i] == absents), gone.shatter())
}

type barrierSubject struct {
	*lane
	b *lock.Barrier
	// hasty has it go on alone when it has waited in vain: a fault.
	hasty bool
}

func (s *barrierSubject) step() error {
	switch s.rand.IntN(12) {
	case 0:
		s.do(abort, [2]uint64{}, func() result { s.b.Abort(); return result{} })
	case 1, 2:
		s.do(reset, [2]uint64{}, func() result { s.b.Reset(); return result{} })
	case 3:
		s.look()
	default:
		return s.wait()
	}
	return nil
}

func (s *barrierSubject) wait() error {
	ctx, cancel := s.briefly()
	defer cancel()
	var err error
	s.do(arrive, [2]uint64{}, func() result {
		var rank int
		rank, err = s.b.Wait(ctx)
		switch {
		case err == nil:
			return result{out: [2]uint64{uint64(rank)}}
		case s.hasty:
			err = nil
			return result{}
		case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, lock.ErrBroken):
			err = nil
			return result{code: gaveUp}
		case errors.Is(err, lock.ErrBroken):
			err = nil
			return result{code: shattered}
		}
		return result{code: torn}
	})
	return err
}

func (s *barrierSubject) look() {
	s.do(isBroken, [2]uint64{}, func() result {
		if s.b.Broken() {
			return result{out: [2]uint64{1}}
		}
		return result{}
	})
}

func (s *barrierSubject) finish() error { return nil }

func (s *barrierSubject) audit() error {
	s.look()
	return nil
}

func barrierHistories() []written {
	k := barrierKind()
	return []written{
		{"two meet", k, 0, true, []call{
			at(0, 1, 5, arrive, done, numbers{}, numbers{0}),
			at(1, 2, 4, arrive, done, numbers{}, numbers{1}),
		}, nil},
		{"one goes on alone", k, 0, false, []call{
			at(0, 1, 5, arrive, done, numbers{}, numbers{0}),
		}, nil},
		{"one goes on before the other comes", k, 0, false, []call{
			at(0, 1, 3, arrive, done, numbers{}, numbers{0}),
			at(1, 4, 5, arrive, done, numbers{}, numbers{1}),
		}, nil},
		{"two are the first", k, 0, false, []call{
			at(0, 1, 5, arrive, done, numbers{}, numbers{0}),
			at(1, 2, 4, arrive, done, numbers{}, numbers{0}),
		}, nil},
		{"two go on, where three are to come", k, 1, false, []call{
			at(0, 1, 5, arrive, done, numbers{}, numbers{0}),
			at(1, 2, 4, arrive, done, numbers{}, numbers{1}),
			at(2, 3, 9, arrive, gaveUp, numbers{}, numbers{}),
		}, nil},
		{"a death breaks it for who waits", k, 1, true, []call{
			killed(0, 10, 30, arrive, numbers{}),
			at(1, 1, 31, arrive, shattered, numbers{}, numbers{}),
		}, firstDies()},
		{"a death breaks it where the dead did not wait", k, 1, false, []call{
			at(1, 1, 31, arrive, shattered, numbers{}, numbers{}),
		}, firstDies()},
		{"a broken one lets go", k, 0, false, []call{
			at(2, 1, 2, abort, done, numbers{}, numbers{}),
			at(0, 3, 6, arrive, done, numbers{}, numbers{0}),
			at(1, 4, 5, arrive, done, numbers{}, numbers{1}),
		}, nil},
		{"who was let go learns of a later break", k, 0, false, []call{
			at(0, 1, 5, arrive, shattered, numbers{}, numbers{}),
			at(1, 2, 3, arrive, done, numbers{}, numbers{1}),
			at(1, 4, 5, abort, done, numbers{}, numbers{}),
		}, nil},
	}
}
