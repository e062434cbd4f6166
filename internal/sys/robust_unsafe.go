//go:build linux

package sys

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

const (
	// robustDistance is how far behind its list node each word lies: the largest
	// page of any CPU, so that node and word are always on different pages.
	robustDistance = 64 << 10
	// RobustLimit is how many words of one list the kernel looks at.
	RobustLimit = 2048
)

// robustHead is struct robust_list_head of the kernel.
type robustHead struct {
	next    uintptr // the first node, or this field's own address
	offset  uintptr // from a node to its word
	pending uintptr // the node that is just being linked or unlinked
}

// RobustList is the list of words that the kernel marks when the thread ends that
// made it. Any thread of the process may change it, one at a time; who does
// relies on the change after EnterKernel only.
type RobustList struct {
	head  *robustHead
	first *DeathWord
	n     int
	tid   uint32
}

// NewRobustList makes the calling thread, to which the caller has locked its
// goroutine for ever, one that has a list. It replaces the list that a C library
// keeps for the thread, so no C code may run there.
func NewRobustList() (*RobustList, error) {
	if !Probe().RobustList {
		return nil, errors.ErrUnsupported
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(os.Getpagesize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	head := (*robustHead)(p)
	head.next = uintptr(p)
	head.offset = robustDistance
	// A raw call: it must be this thread, and it cannot block.
	if _, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(p), unsafe.Sizeof(robustHead{}), 0); errno != 0 {
		_ = unix.MunmapPtr(p, uintptr(os.Getpagesize()))
		return nil, os.NewSyscallError("set_robust_list", errno)
	}
	return &RobustList{head: head, tid: uint32(unix.Gettid())}, nil
}

// TID returns the number of the list's thread: the low 30 bits of its words.
func (l *RobustList) TID() uint32 { return l.tid }

// Len returns how many words the list has; the kernel looks at RobustLimit.
func (l *RobustList) Len() int { return l.n }

// Claim changes the word of d from 0 to value, whose low 30 bits are TID, and
// puts it into the list. It reports false, and does nothing, if the word is not
// 0. Wherever the thread dies inside, the word is 0 or will be marked.
func (l *RobustList) Claim(d *DeathWord, value uint32) bool {
	atomic.StoreUintptr(&l.head.pending, uintptr(d.node))
	if !d.word.CompareAndSwap(0, value) {
		atomic.StoreUintptr(&l.head.pending, 0)
		return false
	}
	atomic.StoreUintptr((*uintptr)(d.node), l.head.next)
	satomic.Step()
	atomic.StoreUintptr(&l.head.next, uintptr(d.node))
	satomic.Step()
	atomic.StoreUintptr(&l.head.pending, 0)
	d.succ, d.prev, d.linked = l.first, nil, true
	if d.succ != nil {
		d.succ.prev = d
	}
	l.first = d
	l.n++
	return true
}

// Release takes d out of the list, makes its word 0 and wakes everybody who
// sleeps on it. Wherever the thread dies inside, the word is 0 or will be
// marked: nobody else can claim it meanwhile if claimants hold a lock that the
// mapping of d carries. The mapping must not end before EnterKernel.
func (l *RobustList) Release(d *DeathWord) {
	if !d.linked {
		return
	}
	atomic.StoreUintptr(&l.head.pending, uintptr(d.node))
	satomic.Step()
	next := atomic.LoadUintptr((*uintptr)(d.node))
	if d.prev == nil {
		atomic.StoreUintptr(&l.head.next, next)
		l.first = d.succ
	} else {
		atomic.StoreUintptr((*uintptr)(d.prev.node), next)
		d.prev.succ = d.succ
	}
	if d.succ != nil {
		d.succ.prev = d.prev
	}
	d.prev, d.succ, d.linked = nil, nil, false
	l.n--
	satomic.Step()
	d.word.Store(0)
	FutexWake(satomic.Ptr(d.word), math.MaxInt32)
	atomic.StoreUintptr(&l.head.pending, 0)
}

// OnMainThread reports whether the caller runs on the process's first thread.
func OnMainThread() bool { return unix.Gettid() == unix.Getpid() }

// EnterKernel makes a system call that does nothing. A process that is killed, or
// ends, or becomes another program, first says so to all of its threads, and then
// each of them ends as soon as it would leave the kernel. So when EnterKernel
// returns, no thread of this process had begun to end before it was called,
// unless it did so for itself: the kernel will find the lists of the others as
// the caller left them.
func EnterKernel() { _ = unix.Getpid() }
