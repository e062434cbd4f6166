package ring

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/object"
)

// Ready returns a channel that yields when a message may be there. It is closed
// when there will be none any more, or the segment is closed. The channel is
// always the same one.
func (p *Port) Ready() <-chan struct{} {
	p.readyOnce.Do(func() {
		p.ready = make(chan struct{}, 1)
		go p.feed(p.ready)
	})
	return p.ready
}

// feed sends to ready while there are messages.
func (p *Port) feed(ready chan<- struct{}) {
	defer close(ready)
	if p.me == 0 { // it may only look
		<-p.use.Done()
		return
	}
	for p.awaitTakeable() {
		select {
		case ready <- struct{}{}:
		case <-p.use.Done():
			return
		}
	}
}

// awaitTakeable waits until there may be a message, and reports whether there
// may ever be one.
func (p *Port) awaitTakeable() bool {
	m := p.use.Pin()
	if m == nil {
		return false
	}
	defer object.Unpin(m)
	try := func() error {
		r, err := p.start(p.readHint.Load(), p.head.readPos.Load())
		if err != nil || p.takeable(r) {
			return nil // a fault is for who takes
		}
		return p.nothing()
	}
	err := try()
	if err == ErrEmpty || err == errAgain {
		err = p.await(context.Background(), &p.notEmpty, try)
	}
	// Nothing was taken: if a wake-up came, it belongs to somebody else too.
	p.head.notEmpty.signal(1)
	return err == nil
}
