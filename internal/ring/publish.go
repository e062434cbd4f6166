package ring

import (
	"sync"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// Who publishes (a message, or a place that is free again) and then looks whether
// anybody sleeps needs the two in this order, as others see them. An ordinary
// atomic store is a fence, and costs more than all the rest of a small message.
// So the store is a plain one, and who is about to sleep pays instead: after it
// has announced so, and before it looks for the last time, it has a fence put
// into every thread of every process (membarrier). That fence lies either before
// the publisher's look, which then sees the announcement, or after it, and so
// after the store, which the sleeper then sees.
//
// A participant whose process is not reached by that, or that cannot ask for it,
// sets strict, and from then on everybody stores with a fence.

// fences reports whether fence works, and reaches this process.
var fences = sync.OnceValue(func() bool { //nolint:gochecknoglobals // the system does not change
	return sys.Probe().Membarrier && sys.RegisterMembarrier() == nil
})

// fence returns when every thread of every process that publishes with plain
// stores has gone through a fence.
func fence() {
	if fences() {
		_ = sys.Membarrier() // it cannot fail once it has been registered for
	}
}

// store stores x, which is what others wait for, after all stores before it.
func (r *Ring) store(w *satomic.Uint64, x uint64) {
	if r.head.strict.Load() == 0 {
		w.Publish(x)
	} else {
		w.Store(x)
	}
}
