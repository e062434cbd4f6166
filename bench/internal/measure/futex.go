package measure

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// goFutex is the least that a program in Go needs to wake another and to be woken:
// two words and the kernel's call, without a queue, a context or an owner.
func goFutex(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	words, err := array.OpenOrCreate[uint32](ctx, seg, "words", array.Spec{Len: 64})
	if err != nil {
		return harness.Sample{}, err
	}
	there, back := &words.View()[0], &words.View()[32]
	rounds := p.Int("rounds")
	if p.Side == 1 {
		p.Ready()
		for i := range uint32(rounds) {
			awaitWord(there, i)
			publishWord(back, i+1)
		}
		return harness.Sample{}, nil
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	i := uint32(0)
	return apart(rounds, p.gap(), func() error {
		publishWord(there, i+1)
		awaitWord(back, i)
		i++
		return nil
	})
}

func awaitWord(w *uint32, old uint32) {
	for atomic.LoadUint32(w) == old {
		sys.FutexWait(w, old, time.Minute)
	}
}

func publishWord(w *uint32, x uint32) {
	atomic.StoreUint32(w, x)
	sys.FutexWake(w, 1)
}
