//go:build linux

package examples_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tree is a program that runs, and every process that it has started, and they:
// all are in one session, which is the tree's alone.
type tree struct {
	root           *exec.Cmd
	folder         string // the only place that it is told of for its files
	stdout, stderr bytes.Buffer
	ended          chan struct{} // closed when no process has the output of the tree open
	err            error         // how the root has ended; valid then
	killed         []string      // what was killed, for messages
}

// plant starts a program. It has its segments, its temporary files and itself in folder.
func plant(ctx context.Context, folder, program string, args ...string) (*tree, error) {
	tr := &tree{root: exec.CommandContext(ctx, program, args...), folder: folder, ended: make(chan struct{})}
	tr.root.Dir = folder
	tr.root.Env = append(os.Environ(), "SHOAL_DIR="+folder, "TMPDIR="+folder, "HOME="+folder)
	tr.root.Stdout, tr.root.Stderr = &tr.stdout, &tr.stderr
	tr.root.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := tr.root.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(tr.ended)
		tr.err = tr.root.Wait() // for who has the output, too
	}()
	return tr, nil
}

// members returns the ids of the tree's processes that have not ended.
func (tr *tree) members() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && tr.has(pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// has reports whether a process is of the tree, and has not ended.
func (tr *tree) has(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ") // after a name of the user's choice
	fields := strings.Fields(after)
	const state, session = 0, 3
	return len(fields) > session && fields[session] == strconv.Itoa(tr.root.Process.Pid) &&
		fields[state] != "Z" && fields[state] != "X"
}

// signal sends sig to a process, if it is of the tree still, and reports whether it did.
func (tr *tree) signal(pid int, sig os.Signal) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	return tr.has(pid) && p.Signal(sig) == nil // p is of that process, whoever gets its id now
}

// killOne kills any process of the tree, and reports whether there was one.
func (tr *tree) killOne(random *rand.Rand) bool {
	all, err := tr.members()
	if err != nil || len(all) == 0 {
		return false
	}
	pid := all[random.IntN(len(all))]
	who := fmt.Sprintf("one of %d children", len(all)-1)
	if pid == tr.root.Process.Pid {
		who = fmt.Sprintf("the parent of %d", len(all)-1)
	}
	if tr.signal(pid, os.Kill) {
		tr.killed = append(tr.killed, who)
	}
	return true
}

// over waits until the last process of the tree has ended, no longer than the
// watchdog. What lives on then says where it is, is killed, and is an error.
func (tr *tree) over(watchdog time.Duration) error {
	all, err := tr.await(watchdog)
	if err != nil || len(all) == 0 {
		return err
	}
	return tr.uproot(all)
}

// await waits until the last process of the tree has ended, no longer than the
// watchdog, and returns those that live on.
func (tr *tree) await(watchdog time.Duration) ([]int, error) {
	dead := time.NewTimer(watchdog)
	defer dead.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	ended := tr.ended
	for {
		select {
		case <-ended:
			ended = nil
		case <-dead.C:
			return tr.members()
		case <-look.C:
			if ended != nil {
				continue
			}
			// Who has closed the output, or was started without it, is looked for.
			if all, err := tr.members(); err != nil || len(all) == 0 {
				return nil, err
			}
		}
	}
}

// uproot ends those that live on, and says how many they were.
func (tr *tree) uproot(all []int) error {
	left := all
	for _, sig := range []os.Signal{syscall.SIGQUIT, os.Kill} { // the first makes Go programs print their stacks
		for _, pid := range left {
			tr.signal(pid, sig)
		}
		var err error
		if left, err = tr.await(5 * time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d processes live on; standard error:\n%s", len(all), &tr.stderr)
}

// left is an error if there are files in the folder of a tree.
func (tr *tree) left() error {
	files, err := os.ReadDir(tr.folder)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return fmt.Errorf("left behind: %v", files)
	}
	return nil
}

// audit waits for the end of the tree, which must leave no process and no file.
func (tr *tree) audit(watchdog time.Duration) error {
	return errors.Join(tr.over(watchdog), tr.left())
}
