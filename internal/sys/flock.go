//go:build linux

package sys

import (
	"os"
	"sync"

	"github.com/gofrs/flock"
)

// FileLock is the lock of a whole file among processes: that of flock(2). Each
// time it is taken on a new open file description, so that nobody who shares a
// descriptor of the file shares the lock. The kernel frees it when its holder
// dies, after all threads of the holder have left user code.
type FileLock struct {
	file *os.File
	mu   sync.Mutex
	held *flock.Flock
}

// NewFileLock returns the lock of f, not taken. f stays the caller's and must be
// open when the lock is taken.
func NewFileLock(f *os.File) *FileLock { return &FileLock{file: f} }

// TryLock takes the lock, or reports false at once: if another process has it,
// or somebody in this one by this FileLock or another.
func (l *FileLock) TryLock() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		return false, nil
	}
	err := onDescriptor(l.file, func(fd int) error {
		// No O_CREATE: the kernel must open what is there.
		fresh := flock.New(descriptorPath(fd), flock.SetFlag(os.O_RDWR))
		ok, err := fresh.TryLock()
		if ok {
			l.held = fresh
		}
		return err
	})
	return l.held != nil, fileError("flock", l.file, procError(err))
}

// Unlock gives the lock back. It does nothing if the lock is not held.
func (l *FileLock) Unlock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	// This unlocks before it closes: a child between fork and exec has the
	// description too, and closing alone would leave the lock to it.
	err := l.held.Unlock()
	l.held = nil
	return fileError("unlock", l.file, err)
}
