//go:build linux && shmcheck

package guardian_test

import (
	"errors"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// TestKilledAtEveryStep kills a process at the n-th step of joining three slots
// and releasing them in another order, for every n. Each slot is then free or
// marked, and every byte is free.
func TestKilledAtEveryStep(t *testing.T) {
	if !sys.Probe().RobustList {
		t.Skip("no robust lists here")
	}
	tab := newTable(t, memoryDir(t))
	marked, n := 0, 1
	for ; ; n++ {
		h := startHelper(t, nil, "step", tab.file.Name(), strconv.Itoa(n))
		err := h.Wait()
		for slot := range 4 {
			marked += tab.checkDead(t, "step "+strconv.Itoa(n), slot)
		}
		if err == nil {
			break
		}
	}
	t.Logf("%d steps, %d slots marked", n, marked)
	if n < 20 || marked < n {
		t.Errorf("%d steps and %d marked slots: the sweep does not reach the list", n, marked)
	}
}

func helpStep(args []string) error {
	f, err := sys.OpenReadWrite(args[0])
	if err != nil {
		return err
	}
	tab, err := openTable(f)
	if err != nil {
		return err
	}
	last, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	var steps atomic.Int64
	satomic.SetHook(func() {
		if steps.Add(1) == last {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	a, errA := tab.join(0)
	b, errB := tab.join(1)
	c, errC := tab.join(2)
	if err := errors.Join(errA, errB, errC); err != nil {
		return err
	}
	return errors.Join(b.Release(), a.Release(), c.Release())
}
