package shm

import (
	"os"
	"sync"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// heapMemory is a segment on the Go heap, for tests: its participants are all in
// this process, the race detector sees everything, and death is simulated.
type heapMemory struct {
	region mem.Region
	lock   sync.Mutex
}

// heapBacking is one participant's side of a heapMemory.
type heapBacking struct {
	memory *heapMemory
	view   *view
}

func (b *heapBacking) tryLock() (bool, error) { return b.memory.lock.TryLock(), nil }

func (b *heapBacking) unlock() error {
	b.memory.lock.Unlock()
	return nil
}

func (b *heapBacking) join(slot uint32) (member, error) {
	m := &heapMember{b.view, slot}
	if !m.view.participants[slot-1].word.CompareAndSwap(0, 1|guardian.Waiters) {
		return nil, errTaken
	}
	return m, nil
}

// held is false: a marked participant of the heap has no threads left.
func (b *heapBacking) held(slot uint32) (bool, error) {
	word := b.view.participants[slot-1].word.Load()
	return word != 0 && !guardian.Marked(word), nil
}

// markGone has nothing to do: participants on the heap are marked when they die.
func (b *heapBacking) markGone(uint32, *satomic.Uint32) error { return nil }

func (b *heapBacking) grow(int64, int64) error { return nil }

func (b *heapBacking) onLoss(func()) {}

func (b *heapBacking) hit() bool { return false }

func (b *heapBacking) blank(int64) error { return nil }

func (b *heapBacking) unmap() error { return nil }

func (b *heapBacking) close() error { return nil }

func (b *heapBacking) descriptor() *os.File { return nil }

type heapMember struct {
	view *view
	slot uint32
}

func (m *heapMember) Shrunk(int64) error { return nil }

func (m *heapMember) Release() error {
	m.view.participants[m.slot-1].word.Store(0)
	return nil
}
