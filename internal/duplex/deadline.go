package duplex

import (
	"sync"
	"sync/atomic"
	"time"
)

// Deadline is a moment at which reading, or writing, ends, as net.Conn has it. It
// may be set at any time, also for calls that wait already. A zero Deadline never
// passes.
type Deadline struct {
	passed atomic.Bool

	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{} // closed once it has passed; nil if nobody has asked yet
}

// Passed reports whether it is over.
func (d *Deadline) Passed() bool { return d.passed.Load() }

// Done returns a channel that is closed when the deadline, as it stands now or is
// set before it has passed, is over.
func (d *Deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *Deadline) channel() chan struct{} {
	if d.done == nil {
		d.done = make(chan struct{})
		if d.passed.Load() {
			close(d.done)
		}
	}
	return d.done
}

// Set moves the deadline; zero takes it away. wake is called when it has passed:
// it makes those look who sleep.
func (d *Deadline) Set(at time.Time, wake func()) {
	if d.set(at, wake) {
		wake()
	}
}

// set is Set, and reports whether the deadline has passed already.
func (d *Deadline) set(at time.Time, wake func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop()
	var left time.Duration
	if !at.IsZero() {
		if left = time.Until(at); left <= 0 {
			d.pass()
			return true
		}
	}
	if d.passed.Load() { // who has waited so far has had its answer
		d.passed.Store(false)
		d.done = nil
	}
	if !at.IsZero() {
		d.start(left, wake)
	}
	return false
}

// start has the deadline pass after a time, unless it is set anew by then.
func (d *Deadline) start(left time.Duration, wake func()) {
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		current := d.timer == timer
		if current {
			d.pass()
		}
		d.mu.Unlock()
		if current {
			wake()
		}
	})
	d.timer = timer
}

// Stop takes the deadline away as it is: it passes no more by itself.
func (d *Deadline) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop()
}

func (d *Deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *Deadline) pass() {
	if d.passed.Load() {
		return
	}
	done := d.channel()
	d.passed.Store(true)
	close(done)
}
