//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hazard is what a round has besides signals.
type hazard string

const (
	signals     hazard = "signals"     // nothing
	memory      hazard = "memory"      // too little memory: the kernel kills
	space       hazard = "space"       // a file system that is full
	descriptors hazard = "descriptors" // too few descriptors
	clocks      hazard = "clocks"      // clocks that disagree by days
)

var hazards = []hazard{signals, memory, space, descriptors, clocks}

// enter puts this process, a child, under the hazard.
func enter(a args) error {
	switch a.Hazard {
	case memory:
		return os.WriteFile(filepath.Join(a.Group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
	case descriptors:
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64})
	}
	return nil
}

// hand returns the hand that makes it worse, if there is one.
func (h hazard) hand(w *worker) stepper {
	switch {
	case h == memory && w.Seed%2 == 0:
		return new(hog)
	case h == descriptors:
		return miser{w.r.IntN(30)}
	}
	return nil
}

// hog takes ever more memory.
type hog struct{ kept [][]byte }

func (h *hog) step(ctx context.Context) error {
	b := make([]byte, 8<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	h.kept = append(h.kept, b)
	return rest(ctx, 20*time.Millisecond)
}

// miser takes all descriptors but a few, for a moment.
type miser struct{ spare int }

func (m miser) step(ctx context.Context) error {
	var taken []*os.File
	var err error
	for err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			taken = append(taken, f)
		}
	}
	pause := rest(ctx, time.Duration(m.spare)*time.Millisecond)
	for _, f := range taken {
		_ = f.Close()
	}
	return errors.Join(err, pause, rest(ctx, 5*time.Millisecond))
}

// rest lets others work.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// group is a control group with little memory.
type group struct{ dir, kills string }

// memoryLimit is less than what the children take in the long run.
const memoryLimit = 192 << 20

// newGroup makes a control group below that of this process, in either hierarchy.
func newGroup() (*group, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var errs []error
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		switch controllers {
		case "memory":
			g := &group{filepath.Join("/sys/fs/cgroup/memory", path), "memory.oom_control"}
			if err = g.create("memory.limit_in_bytes"); err == nil {
				return g, nil
			}
			errs = append(errs, err)
		case "":
			g := &group{filepath.Join("/sys/fs/cgroup", path), "memory.events"}
			if err = g.create("memory.max"); err == nil {
				return g, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

func (g *group) create(limit string) error {
	g.dir = filepath.Join(g.dir, fmt.Sprintf("shoal-soak-%d", os.Getpid()))
	if err := os.Mkdir(g.dir, 0o700); err != nil {
		return err
	}
	err := os.WriteFile(filepath.Join(g.dir, limit), []byte(strconv.Itoa(memoryLimit)), 0)
	if err != nil {
		return errors.Join(err, g.remove())
	}
	return nil
}

// remove removes the group once its processes are gone.
func (g *group) remove() error {
	for start := time.Now(); ; <-time.After(10 * time.Millisecond) {
		if err := os.Remove(g.dir); err == nil || time.Since(start) > watchdog {
			return err
		}
	}
}

// killed returns how often the kernel killed for want of memory.
func (g *group) killed() int {
	text, _ := os.ReadFile(filepath.Join(g.dir, g.kills)) // it says nothing else of consequence
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(number)) // the kernel's
			return n
		}
	}
	return 0
}
