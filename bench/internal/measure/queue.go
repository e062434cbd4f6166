package measure

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

func queueJobs() map[string]Job {
	return map[string]Job{
		"shoal/stream":    sized(stream8, stream64, stream1K, stream64K),
		"shoal/roundtrip": sized(trip8, trip64, trip1K, trip64K),
		"shoal/asleep":    asleep,
	}
}

// The messages, by size. The generic functions are named here once for each, so
// that a size is a constant where a message is copied.
type (
	msg8   = [8]byte
	msg64  = [64]byte
	msg1K  = [1024]byte
	msg64K = [65536]byte
)

func stream8(ctx context.Context, p *Place) (harness.Sample, error) { return stream[msg8](ctx, p) }

func stream64(ctx context.Context, p *Place) (harness.Sample, error) { return stream[msg64](ctx, p) }

func stream1K(ctx context.Context, p *Place) (harness.Sample, error) { return stream[msg1K](ctx, p) }

func stream64K(ctx context.Context, p *Place) (harness.Sample, error) { return stream[msg64K](ctx, p) }
func trip8(ctx context.Context, p *Place) (harness.Sample, error)     { return trip[msg8](ctx, p) }
func trip64(ctx context.Context, p *Place) (harness.Sample, error)    { return trip[msg64](ctx, p) }
func trip1K(ctx context.Context, p *Place) (harness.Sample, error)    { return trip[msg1K](ctx, p) }
func trip64K(ctx context.Context, p *Place) (harness.Sample, error)   { return trip[msg64K](ctx, p) }

func sized(of8, of64, of1K, of64K Job) Job {
	return func(ctx context.Context, p *Place) (harness.Sample, error) {
		switch p.Int("size") {
		case 8:
			return of8(ctx, p)
		case 64:
			return of64(ctx, p)
		case 1024:
			return of1K(ctx, p)
		case 65536:
			return of64K(ctx, p)
		}
		return harness.Sample{}, errSize
	}
}

var errSize = errors.New("no messages of this size")

func capacity(size int) int {
	switch {
	case size > 1<<20:
		return 2
	case size > 4096:
		return 8
	case size > 256:
		return 256
	}
	return 4096
}

// open opens the segment that all sides share.
func (p *Place) open(ctx context.Context) (*shm.Segment, error) {
	return shm.OpenOrCreate(ctx, "bench", shm.Spec{Size: 16 << 20}, &shm.Options{Dir: p.Dir})
}

// ring opens a queue for messages of the given size.
func ring[T any](ctx context.Context, p *Place, name string) (*queue.Queue[T], error) {
	seg, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	size := p.Int("size")
	spec := queue.Spec{Cap: capacity(size), SlotSize: size, MaxSize: size, Heap: 4 * size, Mode: queue.MPMC}
	if p.Args["mode"] == "spsc" {
		spec.Mode = queue.SPSC
	}
	return queue.OpenOrCreate[T](ctx, seg, name, spec)
}

// stream has all sides but the even ones put, as fast as they can, and the even
// ones get; side 0 adds up what was got in the window.
func stream[T any](ctx context.Context, p *Place) (harness.Sample, error) {
	q, err := ring[T](ctx, p, "q")
	if err != nil {
		return harness.Sample{}, err
	}
	batch := p.Int("batch")
	if p.Side%2 == 1 {
		p.Ready()
		err := produce(ctx, q, batch)
		if errors.Is(err, queue.ErrShutdown) {
			err = nil
		}
		return harness.Sample{}, err
	}
	counts, err := p.counters(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	if p.Side > 0 {
		p.Ready()
		n, _, err := consume(ctx, q, batch)
		counts.Store(p.Side, int64(n))
		return harness.Sample{}, err
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	allocated := allocations()
	n, took, err := consume(ctx, q, batch)
	if err != nil {
		return harness.Sample{}, err
	}
	allocs := allocated(n)
	if err := q.Shutdown(); err != nil {
		return harness.Sample{}, err
	}
	if err := p.WaitOthers(); err != nil {
		return harness.Sample{}, err
	}
	for side := 2; side < p.Sides; side += 2 {
		n += int(counts.Load(side))
	}
	s := rate(n, took)
	s.Allocs = allocs
	return s, nil
}

func produce[T any](ctx context.Context, q *queue.Queue[T], batch int) error {
	var x T
	if batch == 1 {
		for {
			if err := q.Put(ctx, x); err != nil {
				return err
			}
		}
	}
	for src := make([]T, batch); ; {
		if _, err := q.PutBatch(ctx, src); err != nil {
			return err
		}
	}
}

// consume gets for the length of the window.
func consume[T any](ctx context.Context, q *queue.Queue[T], batch int) (n int, took time.Duration, err error) {
	if _, err := q.Get(ctx); err != nil { // the others run
		return 0, 0, err
	}
	start, dst := time.Now(), make([]T, batch)
	for took < window {
		for range 64 {
			got := 1
			if batch == 1 {
				_, err = q.Get(ctx)
			} else {
				got, err = q.GetBatch(ctx, dst)
			}
			if errors.Is(err, queue.ErrShutdown) {
				return n, window, nil // another consumer's window ended first
			}
			if err != nil {
				return n, took, err
			}
			n += got
		}
		took = time.Since(start)
	}
	return n, took, nil
}

// trip sends a message there and back over two queues.
func trip[T any](ctx context.Context, p *Place) (harness.Sample, error) {
	there, err := ring[T](ctx, p, "there")
	if err != nil {
		return harness.Sample{}, err
	}
	back, err := ring[T](ctx, p, "back")
	if err != nil {
		return harness.Sample{}, err
	}
	rounds := p.Int("rounds")
	if p.Side == 1 {
		p.Ready()
		for range tripsOf(rounds) {
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
	var x T
	return roundTrips(rounds, func() error {
		if err := there.Put(ctx, x); err != nil {
			return err
		}
		_, err := back.Get(ctx)
		return err
	})
}
