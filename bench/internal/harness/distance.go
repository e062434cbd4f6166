package harness

import (
	"sync"
	"sync/atomic"
	"time"
)

// Distance is how far the two processors are from each other, as the time tells
// that a cache line takes there and back.
type Distance string

// The distances.
const (
	Siblings Distance = "siblings" // two threads of one core
	Near     Distance = "near"     // two cores that share a cache
	Far      Distance = "far"
)

func kindOf(roundTrip time.Duration) Distance {
	switch {
	case roundTrip < 82*time.Nanosecond:
		return Siblings
	case roundTrip < 250*time.Nanosecond:
		return Near
	}
	return Far
}

// distance measures, unless the case does not depend on it.
func (t *Tools) distance(c Case) Distance {
	if c.Alone {
		return t.usual
	}
	return kindOf(PingPong(t.CPUs[0], t.CPUs[1], 20000))
}

// PingPong returns the mean time that a cache line takes from one processor to
// the other and back.
func PingPong(a, b, rounds int) time.Duration {
	var line struct {
		_    [128]byte
		word atomic.Uint32
		_    [128]byte
	}
	var group sync.WaitGroup
	var took time.Duration
	side := func(cpu int, mine uint32) {
		release := Pin(cpu)
		defer release()
		start := time.Now()
		for i := range uint32(rounds) {
			for spins := 0; line.word.Load() != 2*i+mine; spins++ {
				if spins > 1<<20 {
					return // there is but one processor: the other cannot run
				}
			}
			line.word.Store(2*i + mine + 1)
		}
		if mine == 0 {
			took = time.Since(start)
		}
	}
	group.Go(func() { side(a, 0) })
	group.Go(func() { side(b, 1) })
	group.Wait()
	return took / time.Duration(rounds)
}

// settle finds the distance that is seen most often.
func (t *Tools) settle() {
	seen := map[Distance]int{}
	for range 9 {
		seen[kindOf(PingPong(t.CPUs[0], t.CPUs[1], 20000))]++
	}
	for d, n := range seen {
		if n > seen[t.usual] {
			t.usual = d
		}
	}
}
