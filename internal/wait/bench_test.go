package wait_test

import (
	"context"
	"testing"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/internal/wait"
)

func BenchmarkWakeSleep(b *testing.B) {
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"ctx=never", context.Background()}, {"ctx=cancelable", b.Context()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			w := new(satomic.Uint32)
			near, far, party := wait.NewPoint(w, 0), wait.NewPoint(w, 0), newParty()
			done := make(chan struct{})
			go func() {
				defer close(done)
				for x := uint32(1); ; x += 2 { // waits for x, answers x+1
					if await(c.ctx, far, party, w, x) == 0 {
						return
					}
					w.Store(x + 1)
					far.Wake(1)
				}
			}()
			x := uint32(0)
			for b.Loop() {
				w.Store(x + 1)
				near.Wake(1)
				x = await(c.ctx, near, party, w, x+2)
			}
			w.Store(stop)
			near.Wake(1)
			<-done
		})
	}
	b.Logf("futex_waitv: %v", sys.Probe().FutexWaitv)
}

const stop = 1 << 31

// await sleeps until w is want and returns it, or 0 when w is stop.
func await(ctx context.Context, p *wait.Point, party *wait.Party, w *satomic.Uint32, want uint32) uint32 {
	for {
		switch x := w.Load(); x {
		case want:
			return x
		case stop:
			return 0
		default:
			if err := p.Sleep(ctx, party, x, wait.Slice); err != nil {
				return 0
			}
		}
	}
}

func BenchmarkSpin(b *testing.B) {
	p := wait.NewPoint(new(satomic.Uint32), 0)
	for b.Loop() {
		p.Spin(func() bool { return true })
	}
}
