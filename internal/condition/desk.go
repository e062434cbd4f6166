package condition

import "sync"

// desk is where the goroutines of one process wait, in the order in which they
// came. One of them, the leader, sleeps on the bell; whatever wakes it, it tells
// those whom it concerns.
type desk struct {
	core   *Core
	slot   uint32
	leader chan struct{} // full while there is a leader

	mu          sync.Mutex
	first, last *ticket // those that wait
	given       uint32  // signals that are a ticket's
	spare       *ticket
}

// ticket is one wait.
type ticket struct {
	ready      chan struct{} // full once it is over
	state      state
	deaths     uint32 // of owners of the mutex, when the wait began
	prev, next *ticket
}

type state uint8

const (
	waits state = iota
	signalled
	alarmed // an owner of the mutex has died
)

func newDesk(core *Core, slot uint32) *desk {
	return &desk{core: core, slot: slot, leader: make(chan struct{}, 1)}
}

// enter begins a wait. The caller holds the mutex.
func (d *desk) enter(deaths uint32) *ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.spare
	if t == nil {
		t = &ticket{ready: make(chan struct{}, 1)}
	} else {
		d.spare = t.next
	}
	*t = ticket{ready: t.ready, deaths: deaths, prev: d.last}
	if d.last == nil {
		d.first = t
	} else {
		d.last.next = t
	}
	d.last = t
	d.core.enter(d.slot)
	return t
}

// distribute tells those that have got a signal, and those for whom an owner of
// the mutex has died. It returns what became of t.
func (d *desk) distribute(t *ticket, deaths uint32) state {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.give(deaths)
	return t.state
}

func (d *desk) give(deaths uint32) {
	x := counts(d.core.places[d.slot].counts.Load()) // pairs with: condition.counts (signal, broadcast)
	for x.signals() > d.given && d.first != nil {
		d.given++
		d.end(d.first, signalled)
	}
	for t := d.first; t != nil; {
		next := t.next
		if t.deaths != deaths {
			d.end(t, alarmed)
		}
		t = next
	}
}

// end takes t away from those that wait.
func (d *desk) end(t *ticket, s state) {
	d.unlink(t)
	t.state = s
	t.ready <- struct{}{}
}

func (d *desk) unlink(t *ticket) {
	if t.prev == nil {
		d.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		d.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// leave ends a wait, and returns signalled if it has used up a signal, alarmed if
// it has not but should end all the same, and else waits.
func (d *desk) leave(t *ticket, deaths uint32) state { return d.quit(t, deaths, func() {}) }

// resign ends a wait, and gives the signal, if it has got one, to another one that
// waits before it uses it up: so it is nobody's at no moment.
func (d *desk) resign(t *ticket, deaths uint32) {
	d.quit(t, deaths, func() { d.core.signal(0) })
}

// quit ends a wait; before it uses up a signal it calls first.
func (d *desk) quit(t *ticket, deaths uint32, first func()) state {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.state == waits {
		d.give(deaths) // in the order in which they came
	}
	end := t.state
	switch end {
	case signalled:
		first()
		d.given--
		d.core.take(d.slot)
	case waits:
		d.unlink(t)
		if d.withdraw(first) {
			end = signalled
		}
	case alarmed:
		if d.withdraw(first) {
			end = signalled
		}
	}
	select {
	case <-t.ready:
	default:
	}
	t.next, d.spare = d.spare, t
	return end
}

// withdraw counts out one that waits, or uses up the signal that it has got just
// now, having called first.
func (d *desk) withdraw(first func()) bool {
	for {
		x := counts(d.core.places[d.slot].counts.Load())
		switch {
		case x.waiting() > 0:
			if d.core.places[d.slot].counts.CompareAndSwap(uint64(x), uint64(x-oneWaiting)) {
				return false
			}
		case x.signals() > d.given:
			first()
			d.core.take(d.slot)
			return true
		default:
			return false // somebody scribbled over the word
		}
	}
}
