package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func segmentJobs() map[string]Job {
	return map[string]Job{
		"shoal/attach": attach,
		"shoal/create": create,
		"shoal/death":  death,
	}
}

// attach opens a segment that another process keeps.
func attach(ctx context.Context, p *Place) (harness.Sample, error) {
	opts := &shm.Options{Dir: p.Dir}
	if p.Side == 1 {
		seg, err := shm.Create(ctx, "kept", shm.Spec{Size: 1 << 20}, opts)
		if err != nil {
			return harness.Sample{}, err
		}
		done, err := lock.CreateEvent(ctx, seg, "done")
		if err != nil {
			return harness.Sample{}, err
		}
		p.Ready()
		return harness.Sample{}, done.Wait(ctx)
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	times := make([]time.Duration, 300)
	for i := range times {
		start := time.Now()
		seg, err := shm.Open(ctx, "kept", opts)
		if err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
		if err := seg.Close(); err != nil {
			return harness.Sample{}, err
		}
	}
	seg, err := shm.Open(ctx, "kept", opts)
	if err != nil {
		return harness.Sample{}, err
	}
	done, err := lock.OpenEvent(ctx, seg, "done")
	if err != nil {
		return harness.Sample{}, err
	}
	done.Set()
	return timed(times), nil
}

func create(ctx context.Context, p *Place) (harness.Sample, error) {
	times := make([]time.Duration, 300)
	for i := range times {
		start := time.Now()
		seg, err := shm.Create(ctx, fmt.Sprint("s", i), shm.Spec{Size: 64 << 10}, &shm.Options{Dir: p.Dir})
		if err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
		if err := seg.Close(); err != nil {
			return harness.Sample{}, err
		}
	}
	return timed(times), nil
}

// death kills a process that holds a mutex and times until another has it.
func death(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	m, err := lock.OpenOrCreateMutex(ctx, seg, "m", lock.Spec{OnDeath: lock.Release})
	if err != nil {
		return harness.Sample{}, err
	}
	if p.Side > 0 {
		if err := m.Lock(ctx); err != nil {
			return harness.Sample{}, err
		}
		p.Ready()
		select {} // until it is killed
	}
	var times []time.Duration
	for range p.Int("kills") {
		if err := p.StartOthers(); err != nil {
			return harness.Sample{}, err
		}
		holder := p.children[0]
		p.children, p.ready = nil, nil
		got := make(chan error, 1)
		go func() { got <- m.Lock(ctx) }()
		start := time.Now()
		if err := holder.Process.Kill(); err != nil {
			return harness.Sample{}, err
		}
		if err := <-got; err != nil {
			return harness.Sample{}, err
		}
		times = append(times, time.Since(start))
		_ = holder.Wait() // killed
		if err := m.Unlock(); err != nil {
			return harness.Sample{}, err
		}
	}
	if len(times) == 0 {
		return harness.Sample{}, errors.New("nobody was killed")
	}
	return timed(times), nil
}
