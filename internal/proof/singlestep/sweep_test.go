//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// sweep kills children at instructions of one operation.
type sweep struct {
	op    operation
	trace []int64 // the addresses of the operation's instructions, and of what follows
	loose bool    // they are not the same each time

	mu     sync.Mutex
	todo   []int    // instructions that were not tried
	ends   []killed // what came of those that were
	faults []string
	astray int   // kills at other instructions, of operations that do not go the same way each time
	failed error // of the sweep itself
}

// killed is what came of a kill after n instructions.
type killed struct {
	n  int
	pc int64
	outcome
}

// enoughFaults is how many faults of one operation are looked for.
const enoughFaults = 3

// crew is how many children are killed at once.
const crew = 2

// run learns the operation's instructions and kills a child at each of those that
// choose returns of so many.
func (s *sweep) run(ctx context.Context, choose func(total int) []int) error {
	if err := onThread(func() error { return s.learn(ctx) }); err != nil {
		return err
	}
	s.todo = choose(len(s.trace))
	var group sync.WaitGroup
	for range crew {
		group.Go(func() {
			err := onThread(func() error { return s.work(ctx) })
			s.mu.Lock()
			s.failed = errors.Join(s.failed, err)
			s.mu.Unlock()
		})
	}
	group.Wait()
	if s.failed == nil {
		s.compare()
	}
	return s.failed
}

// onThread runs f on a thread that nothing else runs on: it is the tracer.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- f()
	}()
	return <-done
}

// learn finds the instructions. Twice the same is no accident; of an operation
// that is never twice the same the longest course stands for all.
func (s *sweep) learn(ctx context.Context) error {
	var before []int64
	var b *bed
	for range lessons {
		var trace []int64
		err := s.use(ctx, &b, func() (o outcome, err error) {
			trace, o, err = b.learn(ctx)
			return o, errors.Join(err, o.fault)
		})
		if err != nil {
			return err
		}
		if slices.Equal(before, trace) && !s.op.sleeps {
			s.trace = trace
			return s.drop(&b)
		}
		before = trace
		if len(trace) > len(s.trace) {
			s.trace = trace
		}
	}
	s.loose = true
	return s.drop(&b)
}

// lessons is how often a child does the whole operation at most.
const lessons = 4

// work kills children, one after the other, until there is nothing left to do.
func (s *sweep) work(ctx context.Context) error {
	var b *bed
	for n, ok := s.next(); ok; n, ok = s.next() {
		if err := s.kill(ctx, &b, n); err != nil {
			return fmt.Errorf("at %s: %w", s.place(n, s.trace[n]), err)
		}
	}
	return s.drop(&b)
}

// use calls attempt with a bed in *b, and keeps that for the next time if it can
// be used again.
func (s *sweep) use(ctx context.Context, b **bed, attempt func() (outcome, error)) (err error) {
	if *b == nil {
		if *b, err = newBed(ctx, s.op); err != nil {
			return err
		}
	}
	o, err := attempt()
	if o.fault != nil || err != nil {
		_ = s.drop(b) // whatever it says is a consequence
		return err
	}
	if s.op.once {
		return s.drop(b)
	}
	return nil
}

func (s *sweep) drop(b **bed) error {
	old := *b
	*b = nil
	if old == nil {
		return nil
	}
	return old.close()
}

// next returns an instruction that is not tried.
func (s *sweep) next() (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.todo) == 0 || len(s.faults) >= enoughFaults || s.failed != nil {
		return 0, false
	}
	n = s.todo[0]
	s.todo = s.todo[1:]
	return n, true
}

// tries is how often a child is sent to an instruction of a hot operation that
// it does not get to.
const tries = 8

// kill kills after n instructions.
func (s *sweep) kill(ctx context.Context, b **bed, n int) error {
	walk, times := func(v *victim) error { return v.stroll(n) }, 1
	if s.op.hot && !s.loose && !s.op.sleeps {
		walk, times = s.way(n), tries
	}
	for done := false; !done && times > 0; times-- {
		err := s.use(ctx, b, func() (outcome, error) {
			pc, o, err := (*b).kill(ctx, walk)
			over := errors.Is(err, errOver)
			if over {
				err = nil
			}
			if err == nil {
				done = s.note(killed{n, pc, o}, over)
			}
			return o, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// way returns how to get to instruction n: by a leap to the last one before it
// that is not met earlier, and the rest by steps.
func (s *sweep) way(n int) func(v *victim) error {
	m := 0
	for i := range n {
		if slices.Index(s.trace, s.trace[i]) == i {
			m = i
		}
	}
	return func(v *victim) error {
		if m > 0 {
			if err := v.leap(s.trace[m]); err != nil {
				return err
			}
		}
		return v.advance(n - m)
	}
}

// note writes down what came of a kill; it reports whether that is all there is
// to be had.
func (s *sweep) note(k killed, over bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case k.fault != nil:
		s.faults = append(s.faults, fmt.Sprintf("killed %s: %v", s.place(k.n, k.pc), k.fault))
	case over: // and yet not where it was expected
	case k.n < len(s.trace) && k.pc == s.trace[k.n]:
		s.ends = append(s.ends, k)
	case s.op.hot:
		return false
	default:
		s.astray++
	}
	return true
}

// compare verifies that the operation takes effect step by step: what a kill at
// one instruction has left undone, no earlier one has done.
func (s *sweep) compare() {
	if s.loose { // the children went different ways
		return
	}
	slices.SortFunc(s.ends, func(a, b killed) int { return a.n - b.n })
	effect := 0
	for i, k := range s.ends {
		switch last := k.n == len(s.trace)-1; {
		case k.effect < effect:
			s.faults = append(s.faults, fmt.Sprintf("killed %s: the effect is %d, but after %d instructions it was %d",
				s.place(k.n, k.pc), k.effect, s.ends[i-1].n, effect))
		case k.n == 0 && k.effect != 0, last && k.effect != s.op.full:
			s.faults = append(s.faults, fmt.Sprintf("killed %s: the effect is %d", s.place(k.n, k.pc), k.effect))
		}
		effect = k.effect
	}
}

// place describes where the next instruction is at pc, after n others.
func (s *sweep) place(n int, pc int64) string {
	frame, _ := runtime.CallersFrames([]uintptr{uintptr(uint64(pc)+addressOf(first)) + 1}).Next()
	return fmt.Sprintf("after %d of %d instructions, before %s (%s:%d)",
		n, len(s.trace)-1, frame.Function, filepath.Base(frame.File), frame.Line)
}

// summary says what was tried.
func (s *sweep) summary() string {
	text := fmt.Sprintf("killed after %d of %d instructions", len(s.ends), len(s.trace))
	if s.astray > 0 {
		text += fmt.Sprintf(", and %d times on another way", s.astray)
	}
	if s.loose {
		return text + "; the way is not the same each time"
	}
	var steps []int
	for i, k := range s.ends {
		if i > 0 && k.effect > s.ends[i-1].effect {
			steps = append(steps, k.n)
		}
	}
	return text + fmt.Sprintf("; it has taken effect after %d", steps)
}
