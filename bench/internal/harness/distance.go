package harness

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Distance is how far the two processors are from each other, as the time tells
// that a cache line takes there and back.
type Distance string

// The distances.
const (
	Same     Distance = "one processor"
	Siblings Distance = "two threads of one core"
	Near     Distance = "two cores that share a cache"
	Far      Distance = "two cores that share none"
	Busy     Distance = "not to be had: others use the processors"
)

// kindOf judges a round trip. Threads of one core have been seen to need 45 to
// 70 ns, cores of one cache 85 to 190 ns, others 350 ns and more.
func kindOf(roundTrip time.Duration) Distance {
	switch {
	case roundTrip < 78*time.Nanosecond:
		return Siblings
	case roundTrip < 260*time.Nanosecond:
		return Near
	}
	return Far
}

// distance measures, unless the case does not depend on it.
func (t *Tools) distance(c Case) (Distance, error) {
	if c.Alone || t.Anyhow || t.CPUs[0] == t.CPUs[1] {
		return t.usual, nil
	}
	trip, err := PingPong(t.CPUs[0], t.CPUs[1])
	if errors.Is(err, errBusy) {
		return Busy, nil
	}
	return kindOf(trip), err
}

// A ping-pong is made of bursts, so short that most are not interrupted.
const (
	bursts = 15
	rounds = 400
)

// errBusy says that the two sides did not run at once.
var errBusy = errors.New("the two processors do not run at once")

// PingPong returns the time that a cache line takes from one processor to the
// other and back: the median of several bursts. It fails if a side cannot be
// bound to its processor, or does not come to run on it.
func PingPong(a, b int) (time.Duration, error) {
	var line struct {
		_    [128]byte
		word atomic.Uint32
		_    [124]byte
		gone atomic.Bool
		_    [128]byte
	}
	var group sync.WaitGroup
	var took [bursts]time.Duration
	var errs [2]error
	side := func(cpu int, mine uint32) {
		defer line.gone.Store(true)
		release, err := PinThread(cpu)
		if err != nil {
			errs[mine] = err
			return
		}
		defer release()
		begin := time.Now()
		for i := range uint32(bursts * rounds) {
			for spins := 0; line.word.Load() != 2*i+mine; spins++ {
				if spins%4096 == 4095 && (line.gone.Load() || time.Since(begin) > 50*time.Millisecond) {
					if line.word.Load() == 2*i+mine {
						break // the other's last act before it went
					}
					errs[mine] = errBusy
					return
				}
			}
			line.word.Store(2*i + mine + 1)
			if mine == 0 && (i+1)%rounds == 0 {
				took[i/rounds] = time.Since(begin) / rounds
				begin = time.Now()
			}
		}
	}
	group.Go(func() { side(a, 0) })
	group.Go(func() { side(b, 1) })
	group.Wait()
	if err := errors.Join(errs[0], errs[1]); err != nil {
		return 0, err
	}
	slices.Sort(took[:])
	return took[bursts/2], nil
}

// settle finds the distance that is seen most often.
func (t *Tools) settle(ctx context.Context) error {
	if t.CPUs[0] == t.CPUs[1] {
		t.usual = Same
		return nil
	}
	if t.Anyhow {
		return nil
	}
	seen := map[Distance]int{}
	for range 9 {
		d, err := t.distance(Case{})
		if err != nil {
			return err
		}
		seen[d]++
		pause(ctx)
	}
	most := 0
	t.usual = Near
	for _, d := range []Distance{Near, Siblings, Far} {
		if seen[d] > most {
			t.usual, most = d, seen[d]
		}
	}
	return nil
}

// pause lets a little time go by, in which the host may move processors.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}
