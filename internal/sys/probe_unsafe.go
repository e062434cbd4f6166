//go:build linux

package sys

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

var probe = sync.OnceValue(probeOnce) //nolint:gochecknoglobals // the system does not change

// Probe returns what this system has. A call that a sandbox forbids, or answers
// with an error that makes no sense, counts as missing.
func Probe() Features { return probe() }

func probeOnce() Features {
	have := Features{
		RobustList: hasRobustList(),
		FutexWaitv: hasFutexWaitv(),
		Membarrier: hasMembarrier(),
		OFDLocks:   hasOFDLocks(),
		Memfd:      hasMemfd(),
		TmpFile:    hasTmpFile(),
		Guards:     hasGuards,
	}
	if withoutKernelHelp {
		have.RobustList, have.FutexWaitv, have.Membarrier = false, false, false
	}
	for name := range strings.SplitSeq(os.Getenv(DisableVariable), ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "robustlist":
			have.RobustList = false
		case "futexwaitv":
			have.FutexWaitv = false
		case "membarrier":
			have.Membarrier = false
		case "tmpfile":
			have.TmpFile = false
		case "guards":
			have.Guards = false
		}
	}
	return have
}

// hasRobustList gives a thread the list that it has: nothing changes.
func hasRobustList() bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var head, size uintptr
	_, _, errno := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, 0, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 || size != unsafe.Sizeof(robustHead{}) {
		return false
	}
	_, _, errno = unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, head, size, 0)
	return errno == 0
}

// hasFutexWaitv waits for a word that is not as wanted: the only right answer is
// EAGAIN.
func hasFutexWaitv() bool {
	var word uint32
	ks := [1]kernelWaiter{{want: 1, word: &word, flags: futex32Private}}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&ks)), 1, 0, 0, 0, 0)
	return errno == unix.EAGAIN
}

func hasMembarrier() bool {
	const need = membarrierGlobalExpedited | membarrierRegisterGlobalExpedited
	commands, errno := membarrierCall(membarrierQuery)
	return errno == 0 && commands&need == need
}

func hasOFDLocks() bool {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	_, err = ByteHeld(f, 0)
	return err == nil
}

func hasMemfd() bool {
	f, err := Memfd("shoal-probe")
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// hasTmpFile asks only whether such a file can be given a name later, and
// whether the kernel knows the flag; file systems differ.
func hasTmpFile() bool {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return false
	}
	fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return !isMissingTmpFile(err)
	}
	_ = unix.Close(fd)
	return true
}
