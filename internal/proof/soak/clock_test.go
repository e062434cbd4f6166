//go:build linux

package soak

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

const cloneNewTime = 0x80

// withClock runs start, which starts a process, so that the clocks of that
// process that count from the start of the machine are ahead by so much.
func withClock(ahead time.Duration, start func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and for ever: the thread ends with this goroutine
		done <- onThread(ahead, start)
	}()
	return <-done
}

func onThread(ahead time.Duration, start func() error) error {
	if err := syscall.Unshare(cloneNewTime); err != nil {
		return fmt.Errorf("a time namespace: %w", err)
	}
	offsets := fmt.Sprintf("monotonic %d 0\nboottime %d 0\n", int(ahead.Seconds()), int(ahead.Seconds()))
	path := fmt.Sprintf("/proc/%d/timens_offsets", syscall.Gettid())
	if err := os.WriteFile(path, []byte(offsets), 0); err != nil {
		return err
	}
	return start()
}
