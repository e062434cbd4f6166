package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// stopByte on the control pipe is Child.Stop. The end of the pipe is the end of
// the parent: it alone holds the other side.
const stopByte = 's'

// What context.Cause says of a function's ctx.
var (
	errStopped = errors.New("process: stopped by the parent")
	errOrphan  = errors.New("process: the parent has died")
)

// watcher ends the ctx of a child's function when it is time.
type watcher struct {
	ctx     context.Context //nolint:containedctx // the watcher is what this ctx is made by
	cancel  context.CancelCauseFunc
	signals chan os.Signal
	name    string
	grace   time.Duration

	mu     sync.Mutex
	caught os.Signal
}

func newWatcher(control *os.File, grace time.Duration, name string) *watcher {
	w := &watcher{signals: make(chan os.Signal, 1), name: name, grace: grace}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(sig) { // as under nohup, or in the background of a shell
			signal.Notify(w.signals, sig)
		}
	}
	go w.listen(control)
	go w.catch()
	return w
}

// listen waits for the parent's word, and for its end.
func (w *watcher) listen(control *os.File) {
	var word [1]byte
	for {
		n, err := control.Read(word[:])
		if n == 1 && word[0] == stopByte {
			w.cancel(errStopped)
		}
		if err != nil {
			break
		}
	}
	w.cancel(errOrphan)
	// Nobody is left to kill a child that does not heed its ctx.
	time.AfterFunc(w.grace, func() {
		signal.Ignore(syscall.SIGPIPE)
		fmt.Fprintf(os.Stderr, "process: %s: the parent has died, and the function does not return: exiting\n", w.name)
		os.Exit(codeError)
	})
}

// catch waits for signals. Only the first counts.
func (w *watcher) catch() {
	for sig := range w.signals {
		w.mu.Lock()
		if w.caught == nil {
			w.caught = sig
		}
		w.mu.Unlock()
		w.cancel(fmt.Errorf("process: signal: %v", sig))
	}
}

// stop ends the watch for signals and returns the one to end by, or nil.
func (w *watcher) stop() os.Signal {
	signal.Stop(w.signals)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.caught
}
