//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// tracee is a thread of a child that is traced. All calls on it have to come from
// the operating system's thread that seized it.
type tracee int

var (
	// errRefused says that the system lets nobody trace.
	errRefused = errors.New("the system refuses ptrace")
	// errEnded says that the thread has ended while it was traced.
	errEnded = errors.New("the traced thread has ended")
)

// seize makes thread tid a tracee, and stops it.
func seize(tid int) (tracee, error) {
	t := tracee(tid)
	if err := unix.PtraceSeize(tid); err != nil {
		return t, err
	}
	if err := unix.PtraceInterrupt(tid); err != nil {
		return t, err
	}
	if _, err := t.stop(); err != nil {
		return t, err
	}
	return t, unix.PtraceSetOptions(tid, unix.PTRACE_O_EXITKILL)
}

// stop waits until the thread stops, and returns the signal that it stops for.
func (t tracee) stop() (unix.Signal, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(int(t), &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting for the traced thread: %w", err)
		case status.Stopped():
			return status.StopSignal(), nil
		default:
			return 0, fmt.Errorf("%w, status %#x", errEnded, uint32(status))
		}
	}
}

// resume lets the thread run.
func (t tracee) resume() error { return unix.PtraceCont(int(t), 0) }

// release ends the tracing; the thread runs on.
func (t tracee) release() error { return unix.PtraceDetach(int(t)) }

// step has the thread execute one instruction.
func (t tracee) step() error {
	if err := unix.PtraceSingleStep(int(t)); err != nil {
		return err
	}
	return t.trapped()
}

// trapped waits until the thread stops because it was told to.
func (t tracee) trapped() error {
	sig, err := t.stop()
	if err == nil && sig != unix.SIGTRAP {
		err = fmt.Errorf("the traced thread stopped for %v", sig)
	}
	return err
}

// pc returns the address of the instruction that comes next.
func (t tracee) pc() (uint64, error) {
	var regs unix.PtraceRegs
	err := unix.PtraceGetRegs(int(t), &regs)
	return regs.Rip, err
}

// asked reports whether the scheduler has asked the thread's goroutine to make
// room, which it does at the entry of some next function. At an entry, R14 points
// to the goroutine's descriptor, whose third word is the limit of its stack; a
// limit beyond all addresses asks.
func (t tracee) asked() (bool, error) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(int(t), &regs); err != nil {
		return false, err
	}
	var limit [8]byte
	_, err := unix.PtracePeekData(int(t), uintptr(regs.R14)+16, limit[:])
	return binary.LittleEndian.Uint64(limit[:]) >= 1<<63, err
}

// trap is an instruction that makes who comes to it stop.
const trap = 0xCC

// breakpoint is a place where a thread stops.
type breakpoint struct {
	at  uint64
	old byte // what the trap hides
}

// plant makes a breakpoint.
func (t tracee) plant(at uint64) (breakpoint, error) {
	var old [1]byte
	if _, err := unix.PtracePeekText(int(t), uintptr(at), old[:]); err != nil {
		return breakpoint{}, err
	}
	_, err := unix.PtracePokeText(int(t), uintptr(at), []byte{trap})
	return breakpoint{at, old[0]}, err
}

// reach waits until the running thread is at one of the breakpoints, and takes
// them away.
func (t tracee) reach(list ...breakpoint) error {
	if err := t.trapped(); err != nil {
		return err
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(int(t), &regs); err != nil {
		return err
	}
	regs.Rip-- // the trap itself was executed
	known := false
	for _, b := range list {
		known = known || b.at == regs.Rip
		if _, err := unix.PtracePokeText(int(t), uintptr(b.at), []byte{b.old}); err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("the traced thread is trapped at %#x", regs.Rip)
	}
	return unix.PtraceSetRegs(int(t), &regs)
}

// reap takes note of the thread's end: without that its process never ends.
func (t tracee) reap() error {
	for {
		if _, err := t.stop(); errors.Is(err, errEnded) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
