package measure

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// Operations of futex(2).
const (
	futexWait = 0
	futexWake = 1
)

// goFutex is the least that a program in Go needs to wake another and to be woken:
// two words and the kernel's call, without a queue, a context or an owner.
func goFutex(_ context.Context, p *Place) (harness.Sample, error) {
	f, err := os.OpenFile(filepath.Join(p.Dir, "words"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return harness.Sample{}, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return harness.Sample{}, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return harness.Sample{}, err
	}
	there, back := (*atomic.Uint32)(unsafe.Pointer(&mem[0])), (*atomic.Uint32)(unsafe.Pointer(&mem[128]))
	rounds := p.Int("rounds")
	if p.Side == 1 {
		p.Ready()
		for i := range uint32(rounds) {
			awaitWord(there, i)
			publishWord(back, i+1)
		}
		return harness.Sample{}, nil
	}
	if err := p.StartOthers(); err != nil {
		return harness.Sample{}, err
	}
	i := uint32(0)
	return apart(rounds, p.gap(), func() error {
		publishWord(there, i+1)
		awaitWord(back, i)
		i++
		return nil
	})
}

func awaitWord(w *atomic.Uint32, old uint32) {
	for w.Load() == old {
		_, _, _ = syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWait, uintptr(old), 0, 0, 0)
	}
}

func publishWord(w *atomic.Uint32, x uint32) {
	w.Store(x)
	_, _, _ = syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWake, 1, 0, 0, 0)
}
