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

// The operations of a condition; only who holds the mutex calls the last three.
const (
	enter = iota
	exit
	signal
	broadcast
	rest // Wait: has two steps, in which it gives the mutex away and takes it back
)

var conditionNames = []string{"Lock", "Unlock", "Signal", "Broadcast", "Wait"}

// conditionState is the model of a condition and its mutex: the lane that holds
// the mutex, a bit for each dead process, and what each lane does.
type conditionState string

// What a lane does at a condition.
const (
	idle     = '.'
	sleeps   = 's'
	alarmed  = 'a' // sleeps, and may wake up, because a process has died
	woken    = 'w' // wants the mutex
	relieved = 'r' // was alarmed, and then woken
	skips    = 'k' // does not wait: its context was over before
	unlocked = '-' // in the place of the lane that holds the mutex

	headOfCondition = 2
)

func (c conditionState) with(i int, x byte) conditionState {
	return c[:i] + conditionState(x) + c[i+1:]
}

// wake returns what may become of c by a signal: one that sleeps is woken.
func (c conditionState) wake() []conditionState {
	var list []conditionState
	for i := headOfCondition; i < len(c); i++ {
		switch c[i] {
		case sleeps:
			list = append(list, c.with(i, woken))
		case alarmed:
			list = append(list, c.with(i, relieved))
		}
	}
	if list == nil {
		return []conditionState{c}
	}
	return list
}

// isAlarmed reports whether a lane has slept since before a death. While one does,
// a signal may wake, instead of it, one of its process that came later: both go on.
func (c conditionState) isAlarmed() bool {
	return strings.ContainsAny(string(c[headOfCondition:]), string([]rune{alarmed, relieved}))
}

// replace gives the lanes in state from another one.
func (c conditionState) replace(from, to rune) conditionState {
	return c[:headOfCondition] + conditionState(strings.ReplaceAll(string(c[headOfCondition:]), string(from), string(to)))
}

func conditionKind() kind {
	return kind{
		name: "condition", variants: 1,
		create: func(ctx context.Context, seg *shm.Segment, name string, _ int) error {
			m, err := lock.CreateMutex(ctx, seg, name, lock.Spec{OnDeath: lock.Release})
			if err == nil {
				_, err = lock.CreateCond(ctx, m, name+"-condition")
			}
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			m, err := lock.OpenMutex(ctx, seg, name)
			if err != nil {
				return nil, err
			}
			c, err := lock.OpenCond(ctx, m, name+"-condition")
			return func(l *lane) subject { return &conditionSubject{lane: l, m: m, c: c} }, err
		},
		check: checkCondition,
	}
}

func checkCondition(h *history) []part {
	procs := make(conditionModel, h.lanes)
	for i := range h.calls {
		procs[h.calls[i].lane] = h.calls[i].proc
	}
	sp := spec[conditionState]{
		begin: conditionState(string(rune(unlocked)) + "\x00" + strings.Repeat(string(rune(idle)), h.lanes)),
		next:  procs.after,
		show:  func(c conditionState) string { return fmt.Sprintf("%q", string(c)) },
	}
	parts := func(c *call) int {
		if c.op == rest {
			return 2
		}
		return 1
	}
	// A death gives the mutex back, and later passes on what had woken the dead one.
	return []part{{sp.model(), h.steps(describeCondition, parts, func(death) int { return 2 })}}
}

func describeCondition(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d, step %d", x.dead, x.part)
	}
	text := fmt.Sprintf("%s by lane %d of %d, step %d", conditionNames[x.op], x.lane, x.proc, x.part)
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d", text, x.code)
}

// conditionModel says which process each lane is of.
type conditionModel []int

func (m conditionModel) after(c conditionState, x step) []conditionState {
	if x.call == nil {
		return m.die(c, x)
	}
	me := byte('0' + x.lane)
	if x.pending {
		next := []conditionState{c}
		if c[1]&(1<<x.proc) == 0 {
			next = append(next, m.call(c, x, me)...)
		}
		return next
	}
	switch x.code {
	case gaveUp:
		if x.op == rest {
			return m.call(c, x, me)
		}
		return []conditionState{c}
	case done:
		return m.call(c, x, me)
	}
	return nil
}

// call is a step of x that does what it is for.
func (m conditionModel) call(c conditionState, x step, me byte) []conditionState {
	i := headOfCondition + x.lane
	switch x.op {
	case enter:
		return only(c[0] == unlocked, c.with(0, me))
	case rest:
		if x.part == 1 {
			return m.back(c, x, me, i)
		}
		if c[0] != me || c[i] != idle {
			return nil
		}
		next := []conditionState{c.with(0, unlocked).with(i, sleeps)}
		if c.isAlarmed() {
			next[0] = next[0].with(i, alarmed)
		}
		if x.code == gaveUp {
			next = append(next, c.with(i, skips))
		}
		return next
	}
	switch {
	case c[0] != me:
		return nil
	case x.op == exit:
		return []conditionState{c.with(0, unlocked)}
	case x.op == signal:
		return c.wake()
	}
	return []conditionState{c.replace(sleeps, woken).replace(alarmed, relieved)}
}

// back is the end of a Wait: it has the mutex back, because it was woken; or it
// gives up, which one that was woken does not, for then its signal were lost.
func (m conditionModel) back(c conditionState, x step, me byte, i int) []conditionState {
	ok := c[i] == woken || c[i] == relieved || c[i] == alarmed
	switch {
	case x.pending:
		ok = ok || c[i] == sleeps
	case x.code == gaveUp && c[i] == skips:
		return only(c[0] == me, c.with(i, idle))
	case x.code == gaveUp:
		ok = c[i] == sleeps || c[i] == alarmed
	}
	return only(ok && c[0] == unlocked, c.with(i, idle).with(0, me))
}

func (m conditionModel) die(c conditionState, x step) []conditionState {
	if x.part == 0 {
		c = c.with(1, c[1]|1<<x.dead).replace(sleeps, alarmed)
		if c[0] != unlocked && m[c[0]-'0'] == x.dead {
			c = c.with(0, unlocked)
		}
		return []conditionState{c}
	}
	if c[1]&(1<<x.dead) == 0 {
		return nil
	}
	passed := 0
	for lane, proc := range m {
		if proc == x.dead {
			if now := c[headOfCondition+lane]; now == woken || now == relieved {
				passed++
			}
			c = c.with(headOfCondition+lane, idle)
		}
	}
	list := []conditionState{c}
	for range passed {
		var next []conditionState
		for _, c := range list {
			next = append(next, c.wake()...)
		}
		list = next
	}
	return list
}

type conditionSubject struct {
	*lane
	m     *lock.Mutex
	c     *lock.Cond
	holds bool
	// deaf has it say that it gave up when it was woken: a fault.
	deaf bool
}

func (s *conditionSubject) step() error {
	switch n := s.rand.IntN(8); {
	case !s.holds:
		s.holds = true
		return s.call(enter, func() error { return s.m.Lock(s.ctx) })
	case n < 2:
		return s.call(signal, s.c.Signal)
	case n == 2:
		return s.call(broadcast, s.c.Broadcast)
	case n == 3:
		return s.finish()
	}
	ctx, cancel := s.briefly()
	defer cancel()
	return s.call(rest, func() error {
		err := s.c.Wait(ctx)
		if err == nil && s.deaf {
			err = context.DeadlineExceeded
		}
		return err
	})
}

func (s *conditionSubject) call(op uint32, f func() error) error {
	var err error
	s.do(op, [2]uint64{}, func() result {
		switch err = f(); {
		case err == nil:
			return result{}
		case errors.Is(err, context.DeadlineExceeded):
			err = nil
			return result{code: gaveUp}
		}
		return result{code: torn}
	})
	return err
}

func (s *conditionSubject) finish() error {
	if !s.holds {
		return nil
	}
	s.holds = false
	return s.call(exit, s.m.Unlock)
}

// audit locks the mutex, and finds nobody to wake.
func (s *conditionSubject) audit() error {
	s.holds = true
	return errors.Join(s.call(enter, func() error { return s.m.Lock(s.ctx) }), s.call(broadcast, s.c.Broadcast), s.finish())
}

func conditionHistories() []written {
	k := conditionKind()
	held := func(p int, from int64) call { return at(p, from, from+1, enter, done, numbers{}, numbers{}) }
	gone := func(p int, from int64) call { return at(p, from, from+1, exit, done, numbers{}, numbers{}) }
	wakes := func(p int, from int64) call { return at(p, from, from+1, signal, done, numbers{}, numbers{}) }
	return []written{
		{"a signal wakes one", k, 0, true, []call{
			held(0, 1), at(0, 3, 20, rest, done, numbers{}, numbers{}),
			held(1, 10), wakes(1, 12), gone(1, 14),
		}, nil},
		{"a wait ends by itself", k, 0, false, []call{
			held(0, 1), at(0, 3, 20, rest, done, numbers{}, numbers{}),
			held(1, 10), gone(1, 14),
		}, nil},
		{"a signal wakes two", k, 0, false, []call{
			held(0, 1), at(0, 3, 40, rest, done, numbers{}, numbers{}), gone(0, 41),
			held(1, 5), at(1, 7, 40, rest, done, numbers{}, numbers{}),
			held(2, 10), wakes(2, 12), gone(2, 14),
		}, nil},
		{"a signal is lost", k, 0, false, []call{
			held(0, 1), at(0, 3, 40, rest, gaveUp, numbers{}, numbers{}), gone(0, 41),
			held(1, 10), wakes(1, 12), gone(1, 14),
		}, nil},
		{"a signal is remembered", k, 0, false, []call{
			held(1, 1), wakes(1, 3), gone(1, 5),
			held(0, 10), at(0, 12, 40, rest, done, numbers{}, numbers{}),
		}, nil},
		{"a wait returns without the mutex", k, 0, false, []call{
			held(0, 1), at(0, 3, 20, rest, done, numbers{}, numbers{}),
			held(1, 10), wakes(1, 12), gone(1, 30),
		}, nil},
		{"a wait that gave up has no mutex", k, 0, false, []call{
			held(0, 1), at(0, 3, 20, rest, gaveUp, numbers{}, numbers{}),
			held(1, 10), gone(1, 30),
		}, nil},
		{"a signal dies with who got it", k, 0, false, []call{
			held(0, 1), killed(0, 3, 30, rest, numbers{}),
			held(1, 5), wakes(1, 7), gone(1, 9),
			held(2, 40), at(2, 42, 60, rest, done, numbers{}, numbers{}),
		}, firstDies()},
		{"a signal dies with one of two that wait", k, 0, false, []call{
			held(0, 1), killed(0, 3, 30, rest, numbers{}),
			held(2, 4), at(2, 6, 60, rest, gaveUp, numbers{}, numbers{}),
			held(1, 8), wakes(1, 10), gone(1, 40),
		}, firstDies()},
		{"a signal passes on", k, 0, true, []call{
			held(0, 1), killed(0, 3, 30, rest, numbers{}),
			held(2, 4), at(2, 6, 60, rest, done, numbers{}, numbers{}), gone(2, 62),
			held(1, 8), wakes(1, 10), gone(1, 12),
		}, firstDies()},
	}
}
