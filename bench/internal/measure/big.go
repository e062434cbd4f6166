package measure

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/queue"
)

type (
	msg1M  = [1 << 20]byte
	msg16M = [16 << 20]byte
)

// bigJobs are messages built and read in the queue itself. A job that copies has
// the message in its own memory before and after, as Put and Get do; it is how
// one sends what is too large for a function to pass by value. A job in place has
// it only in the queue, and touches one byte of it.
func bigJobs() map[string]Job {
	return map[string]Job{
		"shoal/inplace": func(ctx context.Context, p *Place) (harness.Sample, error) {
			switch p.Int("size") {
			case 8:
				return bigTrip(ctx, p, touch[msg8]())
			case 64:
				return bigTrip(ctx, p, touch[msg64]())
			case 1024:
				return bigTrip(ctx, p, touch[msg1K]())
			case 65536:
				return bigTrip(ctx, p, touch[msg64K]())
			case 1 << 20:
				return bigTrip(ctx, p, touch[msg1M]())
			case 16 << 20:
				return bigTrip(ctx, p, touch[msg16M]())
			}
			return harness.Sample{}, errSize
		},
		"shoal/bigtrip": func(ctx context.Context, p *Place) (harness.Sample, error) {
			switch p.Int("size") {
			case 1 << 20:
				return bigTrip(ctx, p, moved[msg1M]())
			case 16 << 20:
				return bigTrip(ctx, p, moved[msg16M]())
			}
			return harness.Sample{}, errSize
		},
		"shoal/bigstream": func(ctx context.Context, p *Place) (harness.Sample, error) {
			if p.Int("size") == 1<<20 {
				return bigStream(ctx, p, moved[msg1M]())
			}
			return harness.Sample{}, errSize
		},
	}
}

// handling is what is done with a message where it lies in the queue.
type handling[T any] struct{ build, read func(*T) }

func touch[T any]() handling[T] {
	sum := byte(0)
	return handling[T]{
		build: func(m *T) { *first(m) = sum },
		read:  func(m *T) { sum += *first(m) },
	}
}

func moved[T any]() handling[T] {
	here := new(T)
	return handling[T]{
		build: func(m *T) { *m = *here },
		read:  func(m *T) { *here = *m },
	}
}

func first[T any](m *T) *byte { return (*byte)(unsafe.Pointer(m)) }

// bigRing opens a queue for messages built in it.
func bigRing[T any](ctx context.Context, p *Place, name string, mode queue.Mode) (*queue.Queue[T], error) {
	seg, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	size := p.Int("size")
	return queue.OpenOrCreate[T](ctx, seg, name, queue.Spec{Cap: capacity(size), SlotSize: size, MaxSize: size, Heap: 2 * size, Mode: mode})
}

func bigTrip[T any](ctx context.Context, p *Place, h handling[T]) (harness.Sample, error) {
	var queues [2]*queue.Queue[T]
	for i, name := range []string{"there", "back"} {
		var err error
		if queues[i], err = bigRing[T](ctx, p, name, queue.MPMC); err != nil {
			return harness.Sample{}, err
		}
	}
	rounds := p.Int("rounds")
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

func (h handling[T]) put(ctx context.Context, q *queue.Queue[T]) error {
	l, err := q.Reserve(ctx)
	if err != nil {
		return err
	}
	h.build(l.Value())
	return l.Publish()
}

func (h handling[T]) get(ctx context.Context, q *queue.Queue[T]) error {
	d, err := q.Receive(ctx)
	if err != nil {
		return err
	}
	h.read(d.Value())
	return d.Ack()
}

func bigStream[T any](ctx context.Context, p *Place, h handling[T]) (harness.Sample, error) {
	q, err := bigRing[T](ctx, p, "q", queue.SPSC)
	if err != nil {
		return harness.Sample{}, err
	}
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
const gap = 200 * time.Microsecond

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
	return apart(rounds, func() error {
		if err := there.Put(ctx, msg64{}); err != nil {
			return err
		}
		_, err := back.Get(ctx)
		return err
	})
}

// apart times round trips with a gap before each.
func apart(rounds int, trip func() error) (harness.Sample, error) {
	times := make([]time.Duration, rounds)
	for i := range times {
		time.Sleep(gap)
		start := time.Now()
		if err := trip(); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	return timed(times), nil
}
