package wait

import (
	"runtime"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Times of spinning, in nanoseconds. Two processes that hand a word to and fro
// answer each other within a microsecond; a sleeper takes five to wake. Longer
// spinning than the most given here was measured to help nobody.
const (
	spinMost  = 9000
	spinLeast = 1000
	spinPoll  = 240 // between two looks at the word

	// A glance is shorter, and looks more often: decision 0022.
	glanceFor  = 1000
	glancePoll = 10
)

// yields is how often Spin lets other goroutines run before it gives up.
const yields = 3

// Spin calls try for a short time that adapts to how often it helps, first
// spinning on the processor and then yielding to other goroutines, and reports
// whether it returned true. It may not call try at all. try must not block.
func (p *Point) Spin(try func() bool) bool {
	if p.maySpin() {
		if p.spin(try) {
			return true
		}
	}
	for range yields {
		runtime.Gosched()
		if try() {
			return true
		}
	}
	return false
}

// Glance is for who waits for what another one is about to give, such as the answer of
// a process that is awake: it calls ready, which only looks, more often than Spin does
// and for a shorter time, and reports whether it returned true. It does nothing where
// Spin would not spin.
func (p *Point) Glance(ready func() bool) bool {
	if !p.maySpin() {
		return false
	}
	pauses := pausesIn(glancePoll)
	for range pausesIn(glanceFor) / pauses {
		pause(pauses)
		if ready() {
			return true
		}
	}
	return false
}

// Linger is for who had to wait and will not have to for long, but would rather
// come late than have to wait again at once: it pauses, as Spin does between two
// looks, as long as more returns true after it, and reports whether it did so at
// all. It does nothing where Spin would not spin. The caller bounds how often more
// returns true, which must not block.
func (p *Point) Linger(more func() bool) bool {
	if !p.maySpin() {
		return false
	}
	pauses := pausesIn(spinPoll)
	for pause(pauses); more(); {
		pause(pauses)
	}
	return true
}

// maySpin reports whether another processor could do, while this one spins, what
// try waits for; and whether try may hope to be first.
func (p *Point) maySpin() bool {
	if len(p.gate) != 0 || satomic.Checked {
		return false // others of this process sleep already; or a test counts the steps
	}
	return runtime.GOMAXPROCS(0) > 1 && runtime.NumCPU() > 1
}

// spin calls try until it returns true or the budget is spent, and adapts the
// budget. Goroutines may overwrite each other's budget: it is a guess anyway.
func (p *Point) spin(try func() bool) bool {
	budget := p.budget.Load()
	pauses := pausesIn(spinPoll)
	for spent := int32(0); spent < budget; spent += spinPoll {
		pause(pauses)
		if try() {
			if budget != spinMost {
				p.budget.Store(spinMost)
			}
			return true
		}
	}
	if budget > spinLeast {
		p.budget.Store(max(budget/2, spinLeast))
	}
	return false
}

// pausesIn returns how many pauses this CPU makes in so many nanoseconds.
func pausesIn(ns int64) uint32 {
	return uint32(min(max(ns*sample/max(samplePauses(), 1), 1), 1000))
}

const sample = 32 // pauses

// samplePauses returns how many nanoseconds a sample takes: one pause takes from 1 to
// 45, as the CPU's makers please.
var samplePauses = sync.OnceValue(func() int64 { //nolint:gochecknoglobals // a measurement of the CPU, made once
	best := time.Hour
	for range 4 { // the quickest one was not interrupted
		start := time.Now()
		pause(sample)
		best = min(best, time.Since(start))
	}
	return best.Nanoseconds()
})
