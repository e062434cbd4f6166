package pool

import (
	"time"

	"github.com/shoal-ipc/shoal/process"
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
