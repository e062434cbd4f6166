package robust

import (
	"context"
	"time"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// lockSlow waits for the mutex: it spins for a short time, then queues behind the
// goroutines of this process, of which one sleeps on the word. enough, if not
// nil, is LockUnless's.
func (m *Mutex) lockSlow(ctx context.Context, enough func() bool) error {
	arrival := time.Now()
	var outcome error
	if m.point.Spin(func() bool {
		x := m.words.w.Load()
		if x != m.rest && m.gone(x) {
			outcome = errGone
			return true
		}
		if x&poisoned != 0 {
			outcome = m.refused()
			return true
		}
		if x != m.rest {
			return false
		}
		var taken bool
		taken, outcome = m.take(x, m.rest|m.slot)
		return taken || outcome != nil
	}) {
		if outcome != nil {
			return m.checked(outcome)
		}
		return nil
	}
	if err := m.point.Enter(ctx, m.use.Party); err != nil {
		return err // never on the word: nobody's wake-up can be lost with it
	}
	defer m.point.Leave()
	return m.queue(ctx, arrival, enough)
}

// queue waits at the head of this process's goroutines. What it decides on is
// always the value that its compare-and-swap then expects.
func (m *Mutex) queue(ctx context.Context, arrival time.Time, enough func() bool) error {
	slept := false // so others may sleep too, without a mark of theirs in the word
	for {
		x := m.words.w.Load()
		if err := m.check(x); err != nil {
			return err
		}
		if m.gone(x) {
			m.point.Wake(1) // who gave it back may have died before he woke all, and the next ones sleep here too
			return errGone
		}
		if x&poisoned != 0 {
			return m.refused() // who poisons wakes all: no wake-up to pass on
		}
		waited := time.Since(arrival)
		starves := waited >= patience
		if x&ownerMask == 0 && (x&starving == 0 || slept || starves) {
			taken, err := m.take(x, m.taken(x, slept, starves))
			switch {
			case taken:
				return nil
			case err != nil:
				m.withdraw()
				return err
			}
			continue
		}
		if enough != nil && enough() {
			m.withdraw()
			return ErrUnless
		}
		limit := wait.Slice
		if x&ownerMask == 0 {
			limit = patience - waited // it is free, but somebody else goes first
		}
		want := x | sleepers
		if starves {
			want |= starving
		}
		m.markSlept()
		if want != x && !m.words.w.CompareAndSwap(x, want) {
			continue
		}
		if err := m.point.Sleep(ctx, m.use.Party, want, limit); err != nil {
			m.withdraw()
			return err
		}
		slept = true
	}
}

// taken returns the word of a mutex that this process takes when it is x. Who
// slept keeps the mark of the sleepers, since a wake-up went to him alone; who
// starved has no need of the others' courtesy any more.
func (m *Mutex) taken(x uint32, slept, starves bool) uint32 { //nolint:revive // two facts about the waiter, not two behaviours
	nx := m.rest | m.slot | x&(sleepers|starving)
	if slept {
		nx |= sleepers
	}
	if starves {
		nx &^= starving
	}
	return nx
}

// markSlept makes repair wake everybody from now on. The mark is never cleared:
// who frees the mutex clears the sleepers in the word before it wakes them, and
// may die in between.
func (m *Mutex) markSlept() {
	if m.words.slept.Load() == 0 {
		m.words.slept.Store(1)
	}
}

// withdraw gives up waiting: the courtesy asked for is no longer needed (it may
// be somebody else's, who asks again), and a wake-up that was meant for this
// process goes on to another.
func (m *Mutex) withdraw() {
	for {
		x := m.words.w.Load()
		if x&starving == 0 || m.words.w.CompareAndSwap(x, x&^starving) {
			break
		}
	}
	m.point.Wake(1)
}

// checked returns outcome, or what is wrong with the word if it cannot be trusted.
func (m *Mutex) checked(outcome error) error {
	if err := m.check(m.words.w.Load()); err != nil {
		return err
	}
	return outcome
}
