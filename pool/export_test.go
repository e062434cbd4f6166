package pool

import (
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// OnPause has told called before each pause that comes before a worker is started
// again. It is called before the first worker ends.
func (p *Pool) OnPause(told func(time.Duration)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := p.pause
	p.pause = func(d time.Duration) bool {
		told(d)
		return pause(d)
	}
}

// MournMost is the longest pause.
const MournMost = mournMost

// Idle returns the workers that are ready and have no task, if no task is pending.
func (p *Pool) Idle() []*process.Child {
	p.mu.Lock()
	defer p.mu.Unlock()
	var idle []*process.Child
	for _, m := range p.members {
		if len(p.pending) == 0 && m.works() && len(m.assigned) == 0 {
			idle = append(idle, m.child)
		}
	}
	return idle
}

// Heard returns how many messages have come from workers.
func (p *Pool) Heard() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages
}

// Segment returns the pool's segment.
func (p *Pool) Segment() *shm.Segment { return p.seg }

// Owed returns how many messages are to come.
func (p *Pool) Owed() int64 { return p.live.Load() }

// Collects reports whether somebody takes results, or is about to.
func (p *Pool) Collects() bool {
	p.ensureCollector()
	return p.collecting.Load() || len(p.kick) > 0
}
