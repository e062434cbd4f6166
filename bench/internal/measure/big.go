package measure

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/queue"
)

// bigJobs are messages built and read in the queue itself, as []byte. A job that
// copies has the message in its own memory before and after, as Put and Get do; it
// is how one sends what is too large to be passed by value. A job in place has it
// only in the queue, and touches one byte of it.
func bigJobs() map[string]Job {
	return map[string]Job{"shoal/inplace": bigTrip, "shoal/bigtrip": bigTrip, "shoal/bigstream": bigStream}
}

// handling is what is done with a message where it lies in the queue.
type handling struct{ build, read func(m []byte) }

func (p *Place) handling() handling {
	if p.name == "shoal/inplace" {
		sum := byte(0)
		return handling{func(m []byte) { m[0] = sum }, func(m []byte) { sum += m[0] }}
	}
	here := make([]byte, p.Int("size"))
	return handling{func(m []byte) { copy(m, here) }, func(m []byte) { copy(here, m) }}
}

// bigRing opens a queue for messages built in it.
func (p *Place) bigRing(ctx context.Context, name string, mode queue.Mode) (*queue.Queue[[]byte], error) {
	seg, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	size := p.Int("size")
	return queue.OpenOrCreate[[]byte](ctx, seg, name, queue.Spec{Cap: capacity(size), SlotSize: size, MaxSize: size, Heap: 2 * size, Mode: mode})
}

func bigTrip(ctx context.Context, p *Place) (harness.Sample, error) {
	var queues [2]*queue.Queue[[]byte]
	for i, name := range []string{"there", "back"} {
		var err error
		if queues[i], err = p.bigRing(ctx, name, queue.MPMC); err != nil {
			return harness.Sample{}, err
		}
	}
	rounds, h := p.Int("rounds"), p.handling()
	if p.Side == 1 {
		p.Ready()
		for range tripsOf(rounds) {
			if err := errors.Join(h.get(ctx, queues[0]), h.put(ctx, queues[1])); err != nil {
				return harness.Sample{}, err
			}
		}
		return harness.Sample{}, nil
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	return roundTrips(rounds, func() error {
		if err := h.put(ctx, queues[0]); err != nil {
			return err
		}
		return h.get(ctx, queues[1])
	})
}

func (h handling) put(ctx context.Context, q *queue.Queue[[]byte]) error {
	l, err := q.Reserve(ctx)
	if err != nil {
		return err
	}
	h.build(*l.Value())
	return l.Publish()
}

func (h handling) get(ctx context.Context, q *queue.Queue[[]byte]) error {
	d, err := q.Receive(ctx)
	if err != nil {
		return err
	}
	h.read(*d.Value())
	return d.Ack()
}

func bigStream(ctx context.Context, p *Place) (harness.Sample, error) {
	q, err := p.bigRing(ctx, "q", queue.SPSC)
	if err != nil {
		return harness.Sample{}, err
	}
	h := p.handling()
	if p.Side == 1 {
		p.Ready()
		for err == nil {
			err = h.put(ctx, q)
		}
		if errors.Is(err, queue.ErrShutdown) {
			err = nil
		}
		return harness.Sample{}, err
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	s, err := streamed(func() error { return h.get(ctx, q) })
	return s, errors.Join(err, q.Shutdown())
}

// gap is how long a side is left alone before it gets a message, so that it sleeps.
// Sides that share a processor need none: who waits must sleep for the other to run.
func (p *Place) gap() time.Duration { return time.Duration(p.Int("gap")) * time.Microsecond }

// asleep sends messages there and back of which each finds the other side asleep.
func asleep(ctx context.Context, p *Place) (harness.Sample, error) {
	there, err := ring[msg64](ctx, p, "there")
	if err != nil {
		return harness.Sample{}, err
	}
	back, err := ring[msg64](ctx, p, "back")
	if err != nil {
		return harness.Sample{}, err
	}
	rounds := p.Int("rounds")
	if p.Side == 1 {
		p.Ready()
		for range rounds {
			x, err := there.Get(ctx)
			if err == nil {
				err = back.Put(ctx, x)
			}
			if err != nil {
				return harness.Sample{}, err
			}
		}
		return harness.Sample{}, nil
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	return apart(rounds, p.gap(), func() error {
		if err := there.Put(ctx, msg64{}); err != nil {
			return err
		}
		_, err := back.Get(ctx)
		return err
	})
}

// apart times round trips with a gap before each.
func apart(rounds int, gap time.Duration, trip func() error) (harness.Sample, error) {
	times := make([]time.Duration, rounds)
	for i := range times {
		if gap > 0 {
			<-time.After(gap)
		}
		start := time.Now()
		if err := trip(); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	return timed(times), nil
}
