package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
)

// beParent is a process that works with a pool until it is killed. It prints the
// ids of its workers.
func beParent() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Grace: 50 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	for _, c := range p.Workers() {
		fmt.Println(c.PID())
	}
	fmt.Println("ready")
	_ = behave.Go(ctx, p, "stubborn")
	for {
		if _, err := square.Map(ctx, p, numbers(100)); err != nil {
			panic(err)
		}
	}
}

// TestParentDies kills the process that has a pool at any moment: its workers
// end, also one whose task heeds nothing.
func TestParentDies(t *testing.T) {
	for range 5 {
		cmd := exec.CommandContext(deadline(t), os.Args[0])
		cmd.Env = append(os.Environ(), "POOL_TEST_ROLE=parent")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var workers []int
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "ready" {
			var pid int
			if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
				t.Fatal(lines.Text())
			}
			workers = append(workers, pid)
		}
		if len(workers) != 2 {
			t.Fatal(workers)
		}
		<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		for _, pid := range workers {
			waitUntil(t, func() bool { return !runs(pid) })
		}
	}
}

// runs reports whether there is a worker with that process id.
func runs(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && strings.Contains(string(stat), "pool")
}
