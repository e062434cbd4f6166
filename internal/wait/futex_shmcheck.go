//go:build shmcheck

package wait

import (
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// Kernel stands in for the futexes of the kernel in a test that decides itself
// who runs when. Sleep returns at once unless the word is want; a limit of Slice
// or more is none. Poke wakes the sleeper of one point.
type Kernel interface {
	Sleep(p *Point, word *satomic.Uint32, want uint32, limit time.Duration)
	Poke(p *Point)
	Wake(word *satomic.Uint32, n int) int
}

var kernel atomic.Pointer[Kernel] //nolint:gochecknoglobals // a switch of a test build

// SetKernel puts k in place of the kernel; nil ends that.
func SetKernel(k Kernel) {
	if k == nil {
		kernel.Store(nil)
		return
	}
	kernel.Store(&k)
}

func (p *Point) sleep(want uint32, limit time.Duration) {
	k := kernel.Load()
	switch {
	case k != nil:
		(*k).Sleep(p, p.word, want, limit)
	case limit >= Slice:
		sys.FutexSleep(satomic.Ptr(p.word), want, p.bit)
	default:
		sys.FutexWait(satomic.Ptr(p.word), want, limit)
	}
}

func (p *Point) poke() {
	if k := kernel.Load(); k != nil {
		(*k).Poke(p)
		return
	}
	sys.FutexRouse(satomic.Ptr(p.word), p.bit)
}

// Wake wakes up to n sleepers on word, in every process, and returns how many
// there were. The word must have been changed before (a waiter that has not yet
// reached the kernel is otherwise missed).
func Wake(word *satomic.Uint32, n int) int {
	if k := kernel.Load(); k != nil {
		return (*k).Wake(word, n)
	}
	return sys.FutexWake(satomic.Ptr(word), n)
}
