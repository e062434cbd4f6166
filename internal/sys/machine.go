//go:build linux

package sys

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// BootID returns what distinguishes this run of the machine from others, or ""
// if the system does not say.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// PIDNamespace returns the number of the namespace in which the process ids that
// this process sees mean something, or 0 if the system does not say.
func PIDNamespace() uint64 {
	info, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}

// StartTime returns when the process pid began, in the kernel's ticks since the
// machine started: with pid it names a process even after the number was given
// to another one.
func StartTime(pid int) (uint64, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The second field is the program's name, in parentheses; it may contain
	// both spaces and parentheses. The start time is the 20th field after it.
	const field = 20
	_, rest, found := cutLast(b, ')')
	fields := bytes.Fields(rest)
	if !found || len(fields) < field {
		return 0, fmt.Errorf("%s has %d fields after the name, want %d", path, len(fields), field)
	}
	t, err := strconv.ParseUint(string(fields[field-1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: start time: %w", path, err)
	}
	return t, nil
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

// Executable returns the file name of this process's program, for people.
func Executable() string {
	path, err := os.Executable()
	if err != nil {
		return filepath.Base(os.Args[0])
	}
	return filepath.Base(path)
}
