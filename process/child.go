package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Child is a started child process. It is safe for concurrent use, and needs
// no call to be cleaned up.
type Child struct {
	name    string
	grace   time.Duration
	cmd     *exec.Cmd
	control *os.File // the child sees its end when this process dies
	box     *mailbox
	ends    []passage // the ends of pipes that it was given
	done    chan struct{}

	mu      sync.Mutex
	ended   bool // the control pipe is closed
	stopped bool
	killer  *time.Timer // set by Stop

	// Set before done is closed.
	err         error
	interrupted bool // ended because it was stopped, with its work undone
}

func newChild(p *parcel, cmd *exec.Cmd, control *os.File, box *mailbox) *Child {
	give(p.ends)
	return &Child{name: p.Name, grace: p.Grace, cmd: cmd, control: control, box: box, ends: p.ends, done: make(chan struct{})}
}

// watch begins to reap the child, and to stop it when ctx is done.
func (c *Child) watch(ctx context.Context) {
	self.add(c)
	unwatch := context.AfterFunc(ctx, func() { _ = c.Stop() }) // a child that has ended needs no stop
	go func() {
		c.reap()
		unwatch()
		self.remove(c)
		close(c.done)
	}()
}

// reap waits for the end of the process and finds out how it ended.
func (c *Child) reap() {
	err := c.cmd.Wait()
	abandon(c.ends)
	c.mu.Lock()
	c.ended = true
	stopped := c.stopped
	if c.killer != nil {
		c.killer.Stop()
	}
	_ = c.control.Close() // nobody reads it any more
	c.mu.Unlock()

	out := outcome{state: c.cmd.ProcessState, report: c.box.report(), stopped: stopped}
	if err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, exec.ErrWaitDelay) {
		out.output = err // Stdout or Stderr failed; that a grandchild keeps them open is no failure
	}
	_ = c.box.close() // its memory goes with it
	c.interrupted = out.interrupted()
	c.err = out.err(c.name)
}

// PID returns the process id. It may be another process's once the child has ended.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Name returns the name of the child: Command.Name or its default.
func (c *Child) Name() string { return c.name }

// Done returns a channel that is closed when the child has ended and has been
// reaped, which needs no Wait.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait waits for the end of the child, which it does not cause: if ctx is done
// first, Wait returns ctx's error and the child goes on.
//
// The result is nil if the function returned nil; after Stop (or the end of
// Start's ctx) also if the function returned its ctx's error or the child ended
// by SIGINT or SIGTERM. Else it is an *ExitError. Wait may be called any number
// of times, and always returns the same.
func (c *Child) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop asks the child to end: it cancels the ctx of its function, and kills the
// child if it has not ended after Command.Grace. Stop does not wait; it does
// nothing if the child was stopped before or has ended, which is no error.
func (c *Child) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.stopped {
		return nil
	}
	c.stopped = true
	c.killer = time.AfterFunc(c.grace, func() { _ = c.Kill() }) // if it has ended: nil
	// A failing write means that the child has let go of the pipe: it is ending.
	_, _ = c.control.Write([]byte{stopByte})
	return nil
}

// Kill sends SIGKILL, which a child cannot heed. What it held is repaired by
// whoever shares it. Kill does not wait. It does nothing if the child has
// ended, and never hits another process that got its id.
func (c *Child) Kill() error {
	if err := c.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Signal sends sig to the child; os.ErrProcessDone if it has ended.
func (c *Child) Signal(sig os.Signal) error {
	return c.cmd.Process.Signal(sig)
}

// Wait waits for the end of every one of children and returns their errors,
// joined. If ctx is done first, the result holds ctx's error and those of the
// children that have ended; the others go on.
func Wait(ctx context.Context, children ...*Child) error {
	var errs []error
	for _, c := range children {
		select {
		case <-c.done:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		errs = append(errs, err)
	}
	for _, c := range children {
		select {
		case <-c.done:
			if c.err != nil {
				errs = append(errs, c.err)
			}
		default:
		}
	}
	return errors.Join(errs...)
}
