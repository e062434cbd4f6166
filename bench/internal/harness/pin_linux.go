package harness

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// PinThread binds the goroutine to its thread and that to processors, until the
// function that it returns is called.
func PinThread(cpus ...int) (release func(), err error) {
	runtime.LockOSThread()
	var was, set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err = unix.SchedGetaffinity(0, &was); err == nil {
		err = unix.SchedSetaffinity(0, &set)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("bind a thread to processors %v: %w", cpus, err)
	}
	return func() {
		// A thread that keeps the wrong place would take others with it: without
		// the unlock it ends with its goroutine.
		if unix.SchedSetaffinity(0, &was) == nil {
			runtime.UnlockOSThread()
		}
	}, nil
}

// PinProcess binds all threads of this process, and those to come, to a processor.
func PinProcess(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			return fmt.Errorf("bind thread %d to processor %d: %w", tid, cpu, err)
		}
	}
	return nil
}

// processors returns two processors that this process may use; the same one
// twice if there is but one.
func processors() ([2]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return [2]int{}, fmt.Errorf("processors of this process: %w", err)
	}
	var list []int
	for cpu := 0; len(list) < 2 && cpu < 8*len(set)*8; cpu++ {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return [2]int{list[0], list[len(list)-1]}, nil
}

// whole makes the end of a program's time the end of the processes that it has
// started, too.
func whole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
