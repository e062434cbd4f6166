package wait

import (
	"context"
	"runtime"
	"sync"
	"weak"
)

// watch has the end of a context interrupt the sleepers of a point. It goes on
// between two sleeps, since the next one mostly has the same context; then
// nothing needs to be set up, nor allocated.
type watch struct {
	mu   sync.Mutex
	done <-chan struct{} // of the context that is watched; nil if none is
	stop func() bool
	tied bool // ended when the point is gone
}

// begin watches ctx for p, in place of any other.
func (w *watch) begin(ctx context.Context, p *Point) {
	done := ctx.Done()
	if done == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == done {
		return
	}
	w.drop()
	if !w.tied { // most points never sleep with a context that can end
		w.tied = true
		runtime.AddCleanup(p, (*watch).end, w)
	}
	point := weak.Make(p) // so that a context that lives for long does not keep it
	w.done = done
	w.stop = context.AfterFunc(ctx, func() {
		w.forget(done)
		if p := point.Value(); p != nil {
			p.interrupt()
		}
	})
}

// forget ends the watching of a context that is done, so that it is not kept.
func (w *watch) forget(done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == done {
		w.done, w.stop = nil, nil
	}
}

// end ends all watching.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
}

func (w *watch) drop() {
	if w.stop != nil {
		w.stop()
	}
	w.done, w.stop = nil, nil
}
