//go:build linux && shmcheck

package soak

import (
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// briefly is how long a round is in the ordinary tests: here children die inside
// of operations.
const briefly = time.Second

// disturb makes a child slow and mortal inside of operations, and a lost wake-up
// of it a hang.
func disturb() (end func()) {
	restore := wait.WithoutSlice()
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
	return func() { satomic.SetHook(nil); restore() }
}
