//go:build linux && shmcheck

package queue_test

import (
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// disturb makes a child of TestChaos slow and mortal inside of operations.
func disturb() (end func()) {
	satomic.SetHook(func() {
		switch rand.IntN(5000) {
		case 0:
			if rand.IntN(20) == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		case 1, 2, 3, 4:
			time.Sleep(30 * time.Microsecond) // lets others come into the middle
		}
	})
	return func() { satomic.SetHook(nil) }
}
