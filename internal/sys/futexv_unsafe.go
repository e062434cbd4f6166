//go:build linux

package sys

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	futex32        = 2
	futex32Private = 2 | 128
	fewWaiters     = 4
)

// kernelWaiter is struct futex_waitv of the kernel. The word is kept as a
// pointer, so that it stays right if it lies on a stack that moves.
type kernelWaiter struct {
	want  uint64
	word  *uint32
	_     [8 - unsafe.Sizeof(uintptr(0))]byte
	flags uint32
	_     uint32
}

// FutexWaitv sleeps until one of ws has another value than it wants or is woken,
// for at most limit (NoLimit: for ever). A limit of zero or less does not sleep.
//
//	index >= 0, nil     ws[index] was woken, or was found to differ from its Want;
//	                    others may have been woken or differ as well
//	-1, nil             look again: a word differed for a moment, or for no reason
//	-1, ErrTimeout      the time is over and every word was as wanted
//	-1, another error   nothing was waited for; errors.ErrUnsupported if this
//	                    system has no such call (see Probe)
//
// A wake-up of one word may have been consumed although another index, or an
// error, is returned. It allocates nothing for up to 4 words. ws must not be
// changed meanwhile.
func FutexWaitv(ws []FutexWaiter, limit time.Duration) (index int, err error) {
	if !Probe().FutexWaitv {
		return -1, errors.ErrUnsupported
	}
	if len(ws) == 0 || len(ws) > MaxWaiters {
		return -1, os.NewSyscallError("futex_waitv", unix.EINVAL)
	}
	// The kernel sleeps a little even for a time that is over.
	if i := firstDiffering(ws); i >= 0 || limit <= 0 {
		if i < 0 {
			return -1, ErrTimeout
		}
		return i, nil
	}
	if len(ws) <= fewWaiters {
		index, err = waitFew(ws, limit)
	} else {
		index, err = waitMany(ws, limit)
	}
	switch {
	case err == nil:
		return index, nil
	case errors.Is(err, unix.EAGAIN):
		return firstDiffering(ws), nil
	case errors.Is(err, unix.EINTR):
		return -1, nil
	case errors.Is(err, unix.ETIMEDOUT):
		return -1, ErrTimeout
	}
	return -1, os.NewSyscallError("futex_waitv", err)
}

// firstDiffering returns the first of ws that is not as wanted, or -1.
func firstDiffering(ws []FutexWaiter) int {
	for i := range ws {
		if atomic.LoadUint32(ws[i].Word) != ws[i].Want {
			return i
		}
	}
	return -1
}

func waitFew(ws []FutexWaiter, limit time.Duration) (int, error) {
	var ks [fewWaiters]kernelWaiter
	return waitv(ks[:len(ws)], ws, limit)
}

func waitMany(ws []FutexWaiter, limit time.Duration) (int, error) {
	return waitv(make([]kernelWaiter, len(ws)), ws, limit)
}

func waitv(ks []kernelWaiter, ws []FutexWaiter, limit time.Duration) (int, error) {
	for i := range ws {
		flags := uint32(futex32)
		if ws[i].Private {
			flags = futex32Private
		}
		ks[i] = kernelWaiter{want: uint64(ws[i].Want), word: ws[i].Word, flags: flags}
	}
	var end [2]int64 // seconds and nanoseconds, of 64 bits on every CPU
	endAt := unsafe.Pointer(nil)
	if limit < NoLimit {
		now, err := monotonic()
		if err != nil {
			return -1, err
		}
		end[0] = now[0] + int64(limit/time.Second)
		end[1] = now[1] + int64(limit%time.Second)
		if end[1] >= int64(time.Second) {
			end[0], end[1] = end[0]+1, end[1]-int64(time.Second)
		}
		endAt = unsafe.Pointer(&end)
	}
	r, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(unsafe.SliceData(ks))), uintptr(len(ks)), 0,
		uintptr(endAt), unix.CLOCK_MONOTONIC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// monotonic returns the seconds and nanoseconds of the clock that the kernel
// compares the end of a wait with.
func monotonic() ([2]int64, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return [2]int64{int64(ts.Sec), int64(ts.Nsec)}, err //nolint:unconvert // 32 bits on some CPUs
}
