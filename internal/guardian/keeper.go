package guardian

import (
	"os"
	"runtime"
	"sync"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// keeper is the process's robust list, and the thread whose end has the kernel
// walk it: a goroutine that has that thread and does nothing else. The words are
// claimed and released on the threads of the callers, one at a time; see settle.
type keeper struct {
	mu   sync.Mutex      // held while list changes
	list *sys.RobustList // nil where the kernel has none
	id   uint32          // what the words of this process hold besides Waiters
}

//nolint:gochecknoglobals // the kernel keeps one list for a thread, and one thread is enough for a process
var theKeeper = sync.OnceValue(startKeeper)

func startKeeper() *keeper {
	k := new(keeper)
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
		// Others notice our death by the lock of the byte.
		runtime.UnlockOSThread()
		k.id = uint32(os.Getpid())
		close(ready)
		return
	}
	k.list, k.id = list, list.TID()
	close(ready)
	select {}
}

// settle makes sure that the keeper's thread was alive when the list was changed
// by the caller, so that the kernel has seen the change, or will. A process that
// is to end has the signal that ends it in all of its threads before the first of
// them begins to end; so who comes back from the kernel without being ended
// there knows that the kernel has not begun to walk the list. Until then nothing
// may depend on the change: a word claimed so late that the kernel did not see it
// belongs to a process that never did anything with its slot, and those who prove
// that others live find it.
func settle() { sys.EnterKernel() }
