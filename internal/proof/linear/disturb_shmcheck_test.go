//go:build linux && shmcheck

package linear

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// exactDeaths says that children can die at a step of their code.
const exactDeaths = true

// disturb makes this process lose the processor at random steps, so that others
// come between any two, and makes it die at step dieAt, unless that is 0.
func disturb(dieAt int) func() {
	var steps atomic.Int64
	satomic.SetHook(func() {
		if steps.Add(1) == int64(dieAt) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		switch rand.IntN(64) {
		case 0:
			runtime.Gosched()
		case 1:
			_, _, _ = syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		case 2:
			for end := now() + rand.Int64N(20_000); now() < end; {
			}
		}
	})
	return func() { satomic.SetHook(nil) }
}
