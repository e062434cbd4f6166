package cell

import (
	"context"
	"io/fs"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Watcher is where the goroutines of this process wait for changes of one
// object. Each of them may wait for something else, so one change may end the
// waits of some and not of others. One of them, the leader, sleeps in the kernel;
// whatever wakes it, it tells all.
type Watcher struct {
	event  *satomic.Uint32
	point  *wait.Point
	leader chan struct{} // full while there is a leader

	mu    sync.Mutex
	known uint32        // event that everybody has been told of
	news  chan struct{} // closed when there is another one
}

// NewWatcher returns the place to wait for changes of obj that event announces:
// the same one for every handle of this process.
func NewWatcher(obj *object.Object, event *satomic.Uint32) *Watcher {
	point := obj.Point(event)
	w, ok := obj.Local("cell.watcher", func() any {
		return &Watcher{event: event, point: point, leader: make(chan struct{}, 1), news: make(chan struct{})}
	}).(*Watcher)
	if !ok {
		panic("cell: another package took the watcher's place")
	}
	return w
}

// Await returns nil as soon as changed returns true, which it calls at once and
// then whenever something has changed. It fails with ctx.Err(), also if ctx was
// done before, and with fs.ErrClosed. changed must not block.
func (w *Watcher) Await(ctx context.Context, use *object.Use, changed func() bool) error {
	if err := over(ctx, use); err != nil || changed() {
		return err
	}
	if use.ReadOnly {
		return poll(ctx, use, changed)
	}
	if len(w.leader) == 0 && w.point.Spin(changed) {
		return nil
	}
	for {
		news := w.listen() // before looking: what comes later closes it
		if changed() {
			return nil
		}
		select {
		case w.leader <- struct{}{}:
			err := w.lead(ctx, use, changed)
			<-w.leader
			if err != nil {
				return err // the next leader looks for itself, so no wake-up is lost
			}
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-use.Done():
			return fs.ErrClosed
		}
	}
}

// lead sleeps until something may have changed.
func (w *Watcher) lead(ctx context.Context, use *object.Use, changed func() bool) error {
	x := Register(w.event)
	w.tell(x)
	if changed() {
		return nil
	}
	return w.point.Sleep(ctx, use.Party, x, wait.Slice)
}

// listen returns the channel that tell will close.
func (w *Watcher) listen() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.news
}

// tell makes everybody look again unless they have done so since the event
// became x. Its flag is set in x, and so every change after that makes another
// event of it; a change before that may have gone unseen.
func (w *Watcher) tell(x uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known != x {
		w.known = x
		close(w.news)
		w.news = make(chan struct{})
	}
}

// poll is Await for those who may not write, and so cannot say that they wait.
func poll(ctx context.Context, use *object.Use, changed func() bool) error {
	const shortest, longest = 50 * time.Microsecond, 5 * time.Millisecond
	pause := shortest
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-use.Done():
			return fs.ErrClosed
		}
		if changed() {
			return nil
		}
		pause = min(2*pause, longest)
		timer.Reset(pause)
	}
}

// over says why nobody should wait any more, if so.
func over(ctx context.Context, use *object.Use) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if use.Closed() {
		return fs.ErrClosed
	}
	return nil
}
