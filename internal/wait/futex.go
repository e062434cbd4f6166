//go:build !shmcheck

package wait

import (
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// sleep sleeps in the kernel while the word is want, for at most limit unless
// that is a Slice or more.
func (p *Point) sleep(want uint32, limit time.Duration) {
	if limit >= Slice {
		sys.FutexSleep(satomic.Ptr(p.word), want, p.bit)
	} else {
		sys.FutexWait(satomic.Ptr(p.word), want, limit)
	}
}

// poke wakes the sleeper for no reason.
func (p *Point) poke() { sys.FutexRouse(satomic.Ptr(p.word), p.bit) }

// Wake wakes up to n sleepers on word, in every process, and returns how many
// there were. The word must have been changed before (a waiter that has not yet
// reached the kernel is otherwise missed).
func Wake(word *satomic.Uint32, n int) int { return sys.FutexWake(satomic.Ptr(word), n) }
