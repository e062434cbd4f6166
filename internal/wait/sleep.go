package wait

import (
	"context"
	"io/fs"
	"time"
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
	if limit <= 0 {
		return nil
	}
	if p.word.Load() != want {
		return changed(party)
	}
	p.turn.Add(1)       // from now on an interruption finds somebody to wake
	defer p.turn.Add(1) // and it goes on until now
	if !party.join(p) {
		return fs.ErrClosed
	}
	defer party.quit(p)
	p.watch.begin(ctx, p)
	if err := ctx.Err(); err != nil {
		return err // perhaps it was done before anybody could be found asleep
	}
	if seat := party.show(p.index); seat != nil {
		defer seat.Store(0)
	}
	p.sleep(want, limit)
	if p.word.Load() != want {
		return changed(party) // whatever else has ended, this has not been in vain
	}
	return over(ctx, party)
}

// changed returns nil for a word that has changed, unless it is another word.
func changed(party *Party) error {
	if party.strayed() {
		return fs.ErrClosed
	}
	return nil
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

// interrupt ends the sleep that goes on, if any, after what ends it was made
// visible. It may come late and end another one, which then looks again.
func (p *Point) interrupt() {
	if turn := p.turn.Load(); turn%2 == 1 {
		p.rouse(turn, 50*time.Microsecond)
	}
}

// rouse wakes the sleeper until it has woken up: nobody knows whether it has
// reached the kernel, and waking it before that has no effect.
func (p *Point) rouse(turn uint32, pause time.Duration) {
	if p.turn.Load() != turn {
		return
	}
	p.poke()
	const longest = 10 * time.Millisecond
	time.AfterFunc(pause, func() { p.rouse(turn, min(2*pause, longest)) })
}
