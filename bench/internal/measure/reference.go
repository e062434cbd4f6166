package measure

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// goJobs are what Go has inside one process.
func goJobs() map[string]Job {
	return map[string]Job{
		"go/atomic":  goAtomic,
		"go/mutex":   goMutex,
		"go/copy":    goCopy,
		"go/slice":   goSlice,
		"go/channel": goChannel,
		"go/futex":   goFutex,
	}
}

func goAtomic(_ context.Context, p *Place) (harness.Sample, error) {
	n, sum := new(atomic.Int64), int64(0)
	return p.operation(map[string]func(){
		"load": func() {
			x := int64(0)
			for range burst {
				x += n.Load()
			}
			sum += x
		},
		"store": func() {
			for i := range int64(burst) {
				n.Store(i)
			}
		},
		"add": func() {
			for range burst {
				n.Add(1)
			}
		},
	}, 20000)
}

func goMutex(context.Context, *Place) (harness.Sample, error) {
	var m sync.Mutex
	return repeated(5000, burst, func() {
		for range burst {
			m.Lock()
			m.Unlock() //nolint:staticcheck // the empty section is what is measured
		}
	}), nil
}

// goCopy is a plain copy of a struct of 64 bytes, and of 64 KiB.
func goCopy(_ context.Context, p *Place) (harness.Sample, error) {
	if p.Args["op"] == "bulk" {
		a, b := make([]int64, 8<<10), make([]int64, 8<<10)
		s := repeated(20000, 1, func() { copy(a, b) })
		return harness.Sample{Value: float64(len(a)*8) / s.Value}, nil
	}
	from, to := new(msg64), new(msg64)
	return repeated(20000, burst, func() {
		for i := range burst {
			from[0] = byte(i)
			moveOut(to, from)
		}
	}), nil
}

//go:noinline
func moveOut(to, from *msg64) { *to = *from }

func goSlice(_ context.Context, p *Place) (harness.Sample, error) {
	a, sum := make([]int64, 8<<10), int64(0)
	return p.operation(map[string]func(){
		"at": func() {
			x := int64(0)
			for i := range burst {
				x += a[i]
			}
			sum += x
		},
		"set": func() {
			for i := range burst {
				a[i] = int64(i)
			}
		},
	}, 20000)
}

// goChannel streams messages of 64 bytes between goroutines.
func goChannel(ctx context.Context, _ *Place) (harness.Sample, error) {
	c, done := make(chan msg64, 4096), make(chan struct{})
	go func() {
		for {
			select {
			case c <- msg64{}:
			case <-done:
				return
			}
		}
	}()
	defer close(done)
	n, start := 0, time.Now()
	for ctx.Err() == nil && time.Since(start) < window {
		for range 64 {
			<-c
		}
		n += 64
	}
	return rate(n, time.Since(start)), nil
}
