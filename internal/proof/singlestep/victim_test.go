//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// victim is a child that is traced. The goroutine that starts it is locked to
// its thread and makes all calls.
type victim struct {
	cmd    *exec.Cmd
	errs   bytes.Buffer // its standard error
	tell   *os.File     // its standard input
	out    *os.File     // its standard output
	hear   *bufio.Reader
	thread tracee // that does the operation; 0: nothing is traced
	others []tracee
	origin uint64 // the address of first in the child
	start  breakpoint
	loose  bool        // the other threads run
	dog    *time.Timer // kills the child if it takes too long
}

// errStuck says that the child did not get to where it was to be killed.
var errStuck = errors.New("the child is stuck")

// start starts a child for the operation name on the segment in f, and returns
// when it has warmed up.
func start(name string, f *os.File, env ...string) (*victim, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	v := &victim{cmd: exec.Command(exe)}
	v.cmd.Env = append(os.Environ(), childEnv+"="+name, "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	v.cmd.Env = append(v.cmd.Env, env...)
	v.cmd.ExtraFiles = []*os.File{f}
	v.cmd.Stderr = &v.errs
	stdin, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, tell.Close())
	}
	defer stdout.Close()
	v.cmd.Stdin, v.cmd.Stdout = stdin, stdout
	v.tell, v.out, v.hear = tell, out, bufio.NewReader(out)
	if err := v.cmd.Start(); err != nil {
		return nil, errors.Join(err, tell.Close(), out.Close())
	}
	v.dog = time.AfterFunc(watchdog, func() { _ = v.cmd.Process.Kill() })
	if line, err := v.hear.ReadString('\n'); line != "warm\n" {
		return nil, errors.Join(fmt.Errorf("the child says %q: %w", line, err), v.kill(), v.complaint())
	}
	return v, nil
}

// complaint is what the child wrote about its failure, once it is gone.
func (v *victim) complaint() error {
	if v.errs.Len() == 0 {
		return nil
	}
	return errors.New(strings.TrimSpace(v.errs.String()))
}

// hold lets the child go on until it stands before the operation, and takes care
// that it cannot begin with that unnoticed.
func (v *victim) hold() error {
	if err := v.wake(); err != nil {
		return err
	}
	line, err := v.hear.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the child is not ready: %w", err)
	}
	var tid int
	if _, err := fmt.Sscan(line, &tid, &v.origin); err != nil {
		return fmt.Errorf("the child says %q: %w", line, err)
	}
	t, err := seize(tid)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if err != nil {
		return err
	}
	v.thread = t
	if v.start, err = t.plant(v.origin); err != nil {
		return err
	}
	return t.resume()
}

// errSpoiled says that the scheduler wants to run something else in the middle of
// the operation, and that the child is of no use.
var errSpoiled = errors.New("the scheduler is in the way")

// begin lets the child run to the beginning of the operation. All its other
// threads stand still from then on, among them the one by which the scheduler
// asks goroutines that take long to make room: one that is traced takes long.
// It may have asked just before.
func (v *victim) begin() error {
	if err := v.wake(); err != nil {
		return err
	}
	if err := v.thread.reach(v.start); err != nil || v.loose {
		return err
	}
	for before := -1; len(v.others) > before; {
		before = len(v.others)
		if err := v.freeze(); err != nil {
			return err
		}
	}
	asked, err := v.thread.asked()
	if err == nil && asked {
		err = errSpoiled
	}
	return err
}

// wake lets a child go on that waits for its parent.
func (v *victim) wake() error {
	_, err := v.tell.Write([]byte{'\n'})
	return err
}

// freeze stops the threads that are not stopped.
func (v *victim) freeze() error {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", v.cmd.Process.Pid))
	if err != nil {
		return err
	}
next:
	for _, e := range list {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			return err
		}
		for _, t := range append(v.others, v.thread) {
			if tid == int(t) {
				continue next
			}
		}
		t, err := seize(tid)
		if errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return err
		}
		v.others = append(v.others, t)
	}
	return nil
}

// next returns the address of the next instruction, as a distance from first.
func (v *victim) next() (int64, error) {
	pc, err := v.thread.pc()
	return int64(pc - v.origin), err
}

// most is how many instructions are too many.
const most = 1_000_000

// trace steps through the whole operation. It returns the address of each
// instruction, and at the end that of what comes behind the operation.
func (v *victim) trace() ([]int64, error) {
	var pcs []int64
	for range most {
		pc, err := v.next()
		if err != nil {
			return pcs, err
		}
		pcs = append(pcs, pc)
		if pc == end() {
			return pcs, nil
		}
		if err := v.thread.step(); err != nil {
			return pcs, err
		}
	}
	return pcs, errors.New("the operation never ends")
}

// advance executes the next n instructions.
func (v *victim) advance(n int) error {
	for range n {
		if err := v.thread.step(); err != nil {
			return err
		}
	}
	return nil
}

// leap lets the child run until an instruction is next, or the end of the
// operation: much faster than step by step.
func (v *victim) leap(pc int64) error {
	var list []breakpoint
	for _, at := range []int64{pc, end()} {
		b, err := v.thread.plant(v.origin + uint64(at))
		if err != nil {
			return err
		}
		list = append(list, b)
	}
	if err := v.thread.resume(); err != nil {
		return err
	}
	return v.thread.reach(list...)
}

// errOver says that the operation came to its end.
var errOver = errors.New("the operation is over")

// stroll is advance for operations that are not always the same, and may be over
// before.
func (v *victim) stroll(n int) error {
	for range n {
		pc, err := v.next()
		if err != nil {
			return err
		}
		if pc == end() {
			return errOver
		}
		if err := v.thread.step(); err != nil {
			return err
		}
	}
	return nil
}

// end is where the operation ends, as a distance from where it begins.
func end() int64 { return int64(addressOf(last) - addressOf(first)) }

func addressOf(f func()) uint64 { return uint64(reflect.ValueOf(f).Pointer()) }

// finish lets the child run on, and returns what came of the operation.
func (v *victim) finish() error {
	if err := v.thread.release(); err != nil {
		return err
	}
	v.thread = 0
	line, err := v.hear.ReadString('\n')
	if err != nil {
		return err
	}
	if line != "done: <nil>\n" {
		return fmt.Errorf("the operation says %q", line)
	}
	return nil
}

// isStuck reports whether the child took too long; if not it is not hurried any more.
func (v *victim) isStuck() bool { return !v.dog.Stop() }

// kill kills the child where it is, and returns when it is gone.
func (v *victim) kill() error {
	v.dog.Stop()
	err := v.cmd.Process.Kill()
	for _, t := range append(v.others, v.thread) {
		if t != 0 && int(t) != v.cmd.Process.Pid { // that is for Wait to reap
			err = errors.Join(err, t.reap())
		}
	}
	_ = v.cmd.Wait() // says that it was killed
	return errors.Join(err, v.tell.Close(), v.out.Close())
}
