//go:build linux && shmcheck

package killsweep

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a child, as its parent sees it.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // closed when the process has ended
}

// spawn starts a child, which waits for orders.
func spawn() (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(exe), lines: make(chan string, 4)}
	p.cmd.Env = append(os.Environ(), childEnv+"=1", "GOMAXPROCS=2")
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		_ = p.cmd.Wait() // how it ended is seen by what it said
		close(p.lines)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// send gives an order, and returns when the child is ready for it.
func (p *process) send(o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(p.in, string(text)); err != nil {
		return err
	}
	switch line, err := p.hear(patience); {
	case err != nil:
		return fmt.Errorf("%s is not ready: %w", o.Operation, err)
	case line != "ready":
		return fmt.Errorf("before %s: the process said %q", o.Operation, line)
	}
	return nil
}

func (p *process) resume() error {
	_, err := fmt.Fprintln(p.in, "go")
	return err
}

var (
	errSilent = errors.New("the process says nothing")
	errDead   = errors.New("the process has ended")
)

// hear returns the next line that the child says within d.
func (p *process) hear(d time.Duration) (string, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errDead
		}
		return line, nil
	case <-timer.C:
		return "", errSilent
	}
}

// parse reads what a child says at the end of an operation.
func parse(line string) (report, error) {
	var r report
	text, ok := strings.CutPrefix(line, "done ")
	if !ok {
		return r, fmt.Errorf("the process said %q", line)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// kill ends the process, and returns when it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines { // what it still said
	}
	_ = p.in.Close()
}

// stop makes the process stand still, and returns when it does: until then its
// guardian may still take the segment's lock, for which all would wait.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for start := time.Now(); ; runtime.Gosched() {
		still, err := p.still()
		if err != nil || still {
			return err
		}
		if time.Since(start) > patience {
			return errors.New("the process does not stop")
		}
	}
}

// still reports whether every thread is stopped.
func (p *process) still() (bool, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
	if err != nil {
		return false, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return false, nil // that thread has ended meanwhile
		}
		if err != nil {
			return false, err
		}
		_, state, _ := strings.Cut(string(text), ") ") // after the name of the program
		if !strings.HasPrefix(state, "T") {
			return false, nil
		}
	}
	return len(files) > 0, nil
}

// proceed makes a stopped process go on.
func (p *process) proceed() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// nursery starts children ahead of the time when they are needed.
type nursery struct {
	spare chan newborn
	over  chan struct{}
}

type newborn struct {
	p   *process
	err error
}

func newNursery() *nursery {
	n := &nursery{spare: make(chan newborn), over: make(chan struct{})}
	go func() {
		for {
			p, err := spawn()
			select {
			case n.spare <- newborn{p, err}:
			case <-n.over:
				if err == nil {
					p.kill()
				}
				n.over <- struct{}{}
				return
			}
		}
	}()
	return n
}

func (n *nursery) take() (*process, error) {
	b := <-n.spare
	return b.p, b.err
}

func (n *nursery) close() {
	n.over <- struct{}{}
	<-n.over
}
