//go:build shmcheck

package robust_test

import (
	"context"
	"testing"

	"github.com/shoal-ipc/shoal/internal/robust"
)

func newStage(t *testing.T, p robust.Policy) *stage {
	s := &stage{world: newWorld(t, p), t: t}
	s.a, s.b, s.c, s.d, s.e = s.join(1), s.join(2), s.join(3), s.join(4), s.join(5)
	s.ctx, s.cancel = context.WithCancel(t.Context())
	return s
}

func ignore(error) {}

var scenes = []scene{
	{
		name:  "lock a free one",
		setup: func(*stage) {},
		op:    func(s *stage) error { return s.b.Lock(s.ctx) },
	},
	{
		name:  "trylock a free one with marks",
		setup: func(s *stage) { s.words.SetWord(robust.Sleepers) },
		op:    func(s *stage) error { return s.b.TryLock() },
	},
	{
		name:  "wait, others wait too",
		setup: func(s *stage) { s.must(s.a.Lock(s.ctx)); s.waits(s.c, s.c.Lock) },
		op:    func(s *stage) error { return s.b.Lock(s.ctx) },
		meet: func(s *stage) {
			s.victimWaits()
			s.waits(s.d, s.d.Lock)
			s.must(s.a.Unlock())
			for range 2 { // c and d pass it on to the victim
				s.pass()
			}
		},
	},
	{
		name: "unlock, others wait",
		setup: func(s *stage) {
			s.must(s.b.Lock(s.ctx))
			s.waits(s.c, s.c.Lock)
			s.waits(s.d, s.d.Lock)
		},
		op: func(s *stage) error { return s.b.Unlock() },
	},
	{
		name:  "give up, others wait",
		setup: func(s *stage) { s.must(s.a.Lock(s.ctx)) },
		op:    func(s *stage) error { ignore(s.b.Lock(s.ctx)); return nil },
		meet: func(s *stage) {
			s.victimWaits()
			s.waits(s.c, s.c.Lock)
			s.cancel()
		},
	},
	{
		name:  "give up as the lock is freed",
		setup: func(s *stage) { s.must(s.a.Lock(s.ctx)) },
		op:    func(s *stage) error { ignore(s.b.Lock(s.ctx)); return nil },
		meet: func(s *stage) {
			s.victimWaits()
			s.waits(s.c, s.c.Lock)
			s.cancel()
			s.must(s.a.Unlock())
		},
	},
	{
		name:   "recover, others wait for it",
		poison: true,
		setup:  func(s *stage) { s.must(s.d.Lock(s.ctx)); s.bury(4) },
		op: func(s *stage) error {
			return s.b.Recover(s.ctx, func() error {
				s.waits(s.e, func(ctx context.Context) error { return s.e.Recover(ctx, s.fn) })
				s.waits(s.c, func(ctx context.Context) error { return s.c.LockRepaired(ctx, s.fn) })
				return s.fn()
			})
		},
	},
	{
		name:   "recover while another one does",
		poison: true,
		setup: func(s *stage) {
			s.must(s.d.Lock(s.ctx))
			s.bury(4)
			s.words.SetWord(robust.Poisoned | 1)
		},
		op: func(s *stage) error { ignore(s.b.Recover(s.ctx, s.fn)); return nil },
		meet: func(s *stage) {
			s.victimWaits()
			s.waits(s.c, func(ctx context.Context) error { return s.c.LockRepaired(ctx, s.fn) })
			s.bury(1)
			s.finish(s.c)
		},
	},
	{
		name:   "lock and repair, others wait for it",
		poison: true,
		setup:  func(s *stage) { s.must(s.d.Lock(s.ctx)); s.bury(4) },
		op: func(s *stage) error {
			return s.b.LockRepaired(s.ctx, func() error {
				s.waits(s.c, func(ctx context.Context) error { return s.c.LockRepaired(ctx, s.fn) })
				return s.fn()
			})
		},
	},
	{
		name:   "fail to repair, another one waits",
		poison: true,
		setup:  func(s *stage) { s.must(s.d.Lock(s.ctx)); s.bury(4) },
		op: func(s *stage) error {
			ignore(s.b.Recover(s.ctx, func() error {
				s.waits(s.c, func(ctx context.Context) error { return s.c.Recover(ctx, s.fn) })
				return errRepair
			}))
			return nil
		},
	},
	{
		name:  "leave while holding, others wait",
		setup: func(s *stage) { s.must(s.b.Lock(s.ctx)); s.waits(s.c, s.c.Lock) },
		op:    func(s *stage) error { s.close(s.b); return nil },
	},
	{
		name: "repair another death, others wait",
		setup: func(s *stage) {
			s.must(s.d.Lock(s.ctx))
			s.waits(s.c, s.c.Lock)
		},
		op: func(s *stage) error { s.bury(4); return nil },
		meet: func(s *stage) {
			if s.v.killed(s.t) {
				s.bury(4) // the repairer's successor begins again
			}
		},
	},
}

// pass waits until some waiter has the mutex, or the victim has or is over, and
// unlocks a waiter's.
func (s *stage) pass() {
	var slot uint32
	until(s.t, "it is passed on", func() bool {
		slot = s.words.Word() & 4095
		return slot > 1 || s.v.over() || s.words.Word()&robust.Poisoned != 0
	})
	for _, w := range s.waiters {
		if w.p.use.Slot == slot {
			until(s.t, "it knows", func() bool { return len(w.done) != 0 })
			s.must(w.p.Unlock())
		}
	}
}

// finish waits for the end of p's wait, which holds the mutex then or not.
func (s *stage) finish(p *party) {
	for _, w := range s.waiters {
		if w.p == p {
			until(s.t, "the waiter ends", func() bool { return len(w.done) != 0 || s.v.over() })
			if len(w.done) != 0 && s.words.Word()&4095 == p.use.Slot {
				s.must(p.Unlock())
			}
		}
	}
}
