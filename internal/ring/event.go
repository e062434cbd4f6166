package ring

import (
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// event is a word to sleep on:
//
//	sequence 31..2 | flag 1..0     flag: 0 nobody sleeps, 1 announced, 2 probed by a waker, 3 as 2
//
// While the flag is 0 nobody sleeps. A sleeper falls asleep only on the very
// value with flag 1 that it announced or found, after it looked again at what it
// waits for. A waker changes the word (flag 2, next sequence), wakes, and, if it
// woke fewer than it could have, clears the flag from the very value it wrote:
// had anybody announced meanwhile, the word would be another one. So a flag that
// was left set by a death costs one needless system call, and no wake-up is lost.
type event struct{ word satomic.Uint32 }

const (
	announced = 1
	probed    = 2
	flagMask  = 3
	sequence  = 4
)

// lostRaces bounds how often an atomic is tried again because others change the
// same word: each time somebody else got on, unless somebody writes nonsense.
const lostRaces = 1 << 12

// waiting reports whether anybody may sleep.
func (e *event) waiting() bool { return e.word.Load()&flagMask != 0 }

// announce says that the caller is about to sleep, and returns the value to
// sleep on; false if others kept changing the word.
func (e *event) announce() (uint32, bool) {
	for range lostRaces {
		v := e.word.Load()
		if v&flagMask == announced {
			return v, true
		}
		x := v&^flagMask | announced
		if e.word.CompareAndSwap(v, x) {
			return x, true
		}
	}
	return 0, false
}

// signal wakes up to n sleepers. The caller has made true before what they wait for.
func (e *event) signal(n int) {
	if e.waiting() {
		e.signalSlow(n)
	}
}

func (e *event) signalSlow(n int) {
	for range lostRaces {
		v := e.word.Load()
		if v&flagMask == 0 {
			return // whoever cleared it did so after the caller's change
		}
		x := v&^flagMask + sequence | probed
		if !e.word.CompareAndSwap(v, x) {
			continue
		}
		if wait.Wake(&e.word, n) < n {
			e.word.CompareAndSwap(x, x&^flagMask)
		}
		return
	}
	e.wakeAll()
}

// wakeAll wakes every sleeper, whatever the flag says: also those that a waker
// which has died since was to wake.
func (e *event) wakeAll() {
	e.word.Add(sequence)
	wait.Wake(&e.word, wait.All)
}
