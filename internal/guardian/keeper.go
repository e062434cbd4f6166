package guardian

import (
	"os"
	"runtime"
	"sync"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// keeper is the goroutine whose thread holds the process's robust list. Its
// words are claimed and released on that thread only.
type keeper struct {
	requests chan func()
	list     *sys.RobustList // nil where the kernel has none; the keeper's own
	id       uint32          // what the words of this process hold besides Waiters
}

//nolint:gochecknoglobals // the kernel keeps one list for a thread, and one thread is enough for a process
var theKeeper = sync.OnceValue(startKeeper)

func startKeeper() *keeper {
	k := &keeper{requests: make(chan func())}
	ready := make(chan struct{})
	go k.start(ready)
	<-ready
	return k
}

// start finds a thread that is not the process's first one, which has duties of
// its own and whose end is not seen in the same way everywhere.
func (k *keeper) start(ready chan<- struct{}) {
	runtime.LockOSThread()
	if sys.OnMainThread() {
		// While this goroutine holds the first thread, another gets another.
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			k.serve(ready)
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	k.serve(ready)
}

// serve never returns: the end of the thread would be the death of the process
// in the eyes of others.
func (k *keeper) serve(ready chan<- struct{}) {
	list, err := sys.NewRobustList()
	if err != nil {
		// Without a list the thread is as good as any. Others notice our death
		// by the lock of the byte.
		runtime.UnlockOSThread()
		k.id = uint32(os.Getpid())
	} else {
		k.list, k.id = list, list.TID()
	}
	close(ready)
	for f := range k.requests {
		f()
	}
}

// do runs f on the keeper's thread and waits for it.
func (k *keeper) do(f func()) {
	done := make(chan struct{})
	k.requests <- func() {
		defer close(done)
		f()
	}
	<-done
}
