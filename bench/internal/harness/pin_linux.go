package harness

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pin binds the goroutine to its thread and that to a processor, until the
// function that it returns is called.
func Pin(cpu int) (release func()) {
	runtime.LockOSThread()
	var was, set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &was)
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set)
	return func() {
		_ = unix.SchedSetaffinity(0, &was)
		runtime.UnlockOSThread()
	}
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
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			if err := unix.SchedSetaffinity(tid, &set); err != nil {
				return err
			}
		}
	}
	return nil
}

// processors returns two processors that this process may use; the same one
// twice if there is but one.
func processors() [2]int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return [2]int{0, 0}
	}
	var list []int
	for cpu := 0; len(list) < 2 && cpu < 1024; cpu++ {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return [2]int{list[0], list[len(list)-1]}
}

// whole makes the end of a program's time the end of the processes that it has
// started, too.
func whole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
