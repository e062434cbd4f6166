//go:build linux && amd64

package sys

import (
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGuards is how many mappings of a process can be guarded at once: two for
// each segment that a robust list has room for.
const maxGuards = 2 * RobustLimit

// guarded is one range of guarded memory, as the handler of the signal reads it.
type guarded struct {
	begin, end uintptr // end 0: not in use
	from       uintptr // from here to end is memory that was replaced
	hit        uint32  // 1 once memory was lost there
	_          uint32
}

// What guard_linux_amd64.s reads and writes.
//
//nolint:gochecknoglobals,unused // a process has one handler for a signal, which no linter reads
var (
	guards     [maxGuards]guarded
	guardsUsed uint64       // how many, from the first, were ever in use
	guardHits  uint64       // how often memory was replaced
	guardPage  uint64       // bytes of a page
	guardBell  int64        // the eventfd that tells of hits
	guardRing  = uint64(1)  // what is written there
	guardNext  uintptr      // the handler that was there before
	guarding   guardsOfHere // all that the handler need not know
)

// guardsOfHere is what the Go side knows of the guards.
type guardsOfHere struct {
	once sync.Once
	able bool
	bell *os.File
	mu   sync.Mutex
	lost map[int]func() // whom to tell, by index
	free []int          // indices below guardsUsed
}

// Guard is a mapping of a file whose loss does not end the process.
type Guard struct{ index int }

// NewGuard makes the process survive that the file under b, a mapping, becomes
// shorter, or cannot be read: whoever touches what is lost finds zeros from there
// to the end of b, which only this process sees, and OnHit is told. Without a
// guard the touch is a fault, and the process ends. The result is nil, and b is
// not guarded, where that cannot be done.
//
// It takes over SIGBUS: faults at other addresses go to the handler that was
// there before, which is as a rule Go's own.
func NewGuard(b []byte) *Guard {
	h := &guarding
	h.once.Do(h.start)
	if !h.able || len(b) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	index := int(guardsUsed)
	switch n := len(h.free); {
	case n > 0:
		index, h.free = h.free[n-1], h.free[:n-1]
	case index == maxGuards:
		return nil
	}
	g := &guards[index]
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	end := begin + uintptr((uint64(len(b))+guardPage-1)&^(guardPage-1))
	atomic.StoreUint32(&g.hit, 0)
	atomic.StoreUintptr(&g.begin, begin)
	atomic.StoreUintptr(&g.from, end)
	atomic.StoreUintptr(&g.end, end) // last: from now on the handler finds it
	if index == int(guardsUsed) {
		atomic.StoreUint64(&guardsUsed, guardsUsed+1)
	}
	return &Guard{index}
}

// OnHit has f called, in a goroutine of its own, once memory was lost; at once if
// it was already.
func (g *Guard) OnHit(f func()) {
	if g == nil {
		return
	}
	guarding.mu.Lock()
	guarding.lost[g.index] = f
	guarding.mu.Unlock()
	if g.Hit() {
		guarding.tell()
	}
}

// touch loads a word that the kernel could not reach, so that its guard is hit;
// not if it has none, for that would end the process.
func touch(word *uint32) {
	at := uintptr(unsafe.Pointer(word))
	for i := range atomic.LoadUint64(&guardsUsed) {
		if g := &guards[i]; at >= atomic.LoadUintptr(&g.begin) && at < atomic.LoadUintptr(&g.end) {
			atomic.LoadUint32(word)
			return
		}
	}
}

// Hit reports whether memory was lost.
func (g *Guard) Hit() bool { return g != nil && atomic.LoadUint32(&guards[g.index].hit) != 0 }

// End ends the guarding, before the memory is unmapped.
func (g *Guard) End() {
	if g == nil {
		return
	}
	guarding.mu.Lock()
	defer guarding.mu.Unlock()
	atomic.StoreUintptr(&guards[g.index].end, 0)
	delete(guarding.lost, g.index)
	guarding.free = append(guarding.free, g.index)
}

// GuardHits returns how often this process touched guarded memory that was lost.
func GuardHits() uint64 { return atomic.LoadUint64(&guardHits) }

// start puts the handler into its place.
func (h *guardsOfHere) start() {
	h.lost = map[int]func(){}
	if !Probe().Guards {
		return
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return
	}
	guardBell, guardPage = int64(fd), uint64(os.Getpagesize())
	h.bell = os.NewFile(uintptr(fd), "eventfd")
	if err := h.install(); err != nil {
		_ = h.bell.Close()
		return
	}
	h.able = true
	go h.listen()
}

// install asks for the present handler, whose flags and way back ours needs too.
func (h *guardsOfHere) install() error {
	var old kernelAction
	if err := sigaction(nil, &old); err != nil {
		return err
	}
	const need = 0x4 | 0x08000000 | 0x04000000 // SA_SIGINFO, SA_ONSTACK, SA_RESTORER
	if old.handler <= 1 || old.flags&need != need {
		return os.NewSyscallError("rt_sigaction", unix.ENOTSUP) // SIGBUS is ignored, or ends the process, or the handler is not Go's
	}
	guardNext = old.handler
	old.handler = faultHandler()
	return sigaction(&old, nil)
}

func (h *guardsOfHere) listen() {
	var count [8]byte
	for {
		if _, err := h.bell.Read(count[:]); err != nil {
			return
		}
		h.tell()
	}
}

// tell calls those whose memory was lost.
func (h *guardsOfHere) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, f := range h.lost {
		if atomic.LoadUint32(&guards[i].hit) != 0 {
			delete(h.lost, i)
			go f()
		}
	}
}

// faultHandler returns the address of the handler.
func faultHandler() uintptr

// kernelAction is struct sigaction of the kernel.
type kernelAction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

func sigaction(set, old *kernelAction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGBUS), uintptr(unsafe.Pointer(set)),
		uintptr(unsafe.Pointer(old)), unsafe.Sizeof(uint64(0)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}

const hasGuards = true
