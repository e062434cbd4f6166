//go:build shmcheck

package explore

import (
	"slices"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Sleep is wait.Kernel's.
func (r *run) Sleep(p *wait.Point, word *satomic.Uint32, want uint32, limit time.Duration) {
	r.step()
	a := r.stepper()
	if atomic.LoadUint32(satomic.Ptr(word)) != want {
		return
	}
	a.point, a.word, a.deadline = p, word, time.Time{}
	if limit < wait.Slice {
		a.deadline = time.Now().Add(limit)
	}
	r.mu.Lock()
	r.sleepers = append(r.sleepers, a)
	r.mu.Unlock()
	a.park(asleep)
}

// Wake is wait.Kernel's.
func (r *run) Wake(word *satomic.Uint32, n int) int {
	r.step()
	return r.rouse(n, func(a *actor) bool { return a.word == word })
}

// Poke is wait.Kernel's. It is no step: whoever calls it may not be a body.
func (r *run) Poke(p *wait.Point) { r.rouse(1, func(a *actor) bool { return a.point == p }) }

// rouse wakes the first n sleepers that match.
func (r *run) rouse(n int, match func(*actor) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	woken := 0
	r.sleepers = slices.DeleteFunc(r.sleepers, func(a *actor) bool {
		if woken == n || !match(a) {
			return false
		}
		woken++
		a.status, a.woken = ready, true
		return true
	})
	return woken
}

// expire wakes those whose limit is over.
func (r *run) expire() {
	now := time.Now()
	r.rouse(bodies, func(a *actor) bool { return !a.deadline.IsZero() && !a.deadline.After(now) })
}

// forget takes a dead sleeper out of the kernel's list.
func (r *run) forget(a *actor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sleepers = slices.DeleteFunc(r.sleepers, func(b *actor) bool { return b == a })
}

// passUntilAble lets time pass until somebody can go on, and reports whether it
// came to that.
func (r *run) passUntilAble() bool {
	for range 4 {
		if len(r.sleepers) == 0 && !r.careful {
			return false
		}
		pause := time.Second
		for _, a := range r.sleepers {
			if !a.deadline.IsZero() {
				pause = min(pause, time.Until(a.deadline))
			}
		}
		elapse(pause)
		r.expire()
		r.settle()
		if slices.ContainsFunc(r.actors, r.able) {
			return true
		}
	}
	return false
}

// elapse lets time pass in the bubble, which takes none outside of it.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
