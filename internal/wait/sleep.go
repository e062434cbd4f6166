package wait

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// Sleep sleeps while the word is want, for at most limit. It returns nil
// whenever the caller should look again: the word differed, or changed and was
// woken, or the time is over, or for no reason. It returns ctx.Err() or
// fs.ErrClosed when that is why it stopped; a wake-up may have been consumed
// all the same, so the caller passes one on. Only the holder of the gate calls it.
func (p *Point) Sleep(ctx context.Context, party *Party, want uint32, limit time.Duration) error {
	if err := over(ctx, party); err != nil {
		return err
	}
	if limit <= 0 || p.word.Load() != want {
		return nil
	}
	atomic.StoreUint32(&p.cancel, 0) // before anybody can know of this sleep
	if !party.join(p) {
		return fs.ErrClosed
	}
	defer party.quit(p)
	if seat := party.show(p.index); seat != nil {
		defer seat.Store(0)
	}
	limit = longest(limit)
	if sys.Probe().FutexWaitv {
		return p.sleepOnBoth(ctx, party, want, limit)
	}
	return p.sleepSliced(ctx, party, want, limit)
}

// over says why nobody should wait any more, if so.
func over(ctx context.Context, party *Party) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if party.over() {
		return fs.ErrClosed
	}
	return nil
}

// sleepOnBoth sleeps on the word and on the cancel word.
func (p *Point) sleepOnBoth(ctx context.Context, party *Party, want uint32, limit time.Duration) error {
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, p.interruptFunc)
		defer stop()
	}
	words := [2]sys.FutexWaiter{
		{Word: satomic.Ptr(p.word), Want: want},
		{Word: &p.cancel, Private: true},
	}
	woken, err := sys.FutexWaitv(words[:], limit)
	if err != nil && !errors.Is(err, sys.ErrTimeout) {
		return p.sleepSliced(ctx, party, want, limit) // so that nobody turns in a loop
	}
	if woken == 0 {
		return nil
	}
	return over(ctx, party)
}

// interrupt ends the sleep of the gate's holder. It may come late, and then ends
// another one for no reason, which does no harm.
func (p *Point) interrupt() {
	atomic.StoreUint32(&p.cancel, 1)
	sys.FutexWakePrivate(&p.cancel, 1)
}

// sleepSliced sleeps where the kernel cannot wait for two words at once: in
// slices that are short at first, asking in between whether to go on.
func (p *Point) sleepSliced(ctx context.Context, party *Party, want uint32, limit time.Duration) error {
	const longest = 10 * time.Millisecond
	slice := time.Millisecond
	for limit > 0 {
		slice = min(slice, limit)
		woken := sys.FutexWait(satomic.Ptr(p.word), want, slice)
		if err := over(ctx, party); err != nil {
			return err
		}
		if woken {
			break
		}
		limit -= slice
		slice = min(2*slice, longest)
	}
	return nil
}
