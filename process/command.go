package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// defaultGrace is how long a child may take to heed Stop if its Command does not say.
const defaultGrace = 5 * time.Second

// Command is a call of a Function in a child that has not started. Its fields
// are those of os/exec.Cmd; a zero field means its default. Function.Command
// makes one. It may be started any number of times, also at once.
type Command struct {
	Name   string        // default the function's name and a number: "worker-3"
	Env    []string      // default os.Environ()
	Dir    string        // default the current directory
	Stdin  io.Reader     // default none
	Stdout io.Writer     // default os.Stdout
	Stderr io.Writer     // default os.Stderr
	Grace  time.Duration // from Stop to Kill; default 5s

	// SysProcAttr is as in os/exec.
	SysProcAttr *syscall.SysProcAttr

	entry *entry
	pack  func() (*parcel, error)
}

// Start starts a child, as Function.Start does. A negative Grace, and a Command
// that Function.Command did not make, is fs.ErrInvalid.
func (c *Command) Start(ctx context.Context) (*Child, error) {
	if !self.mainCalled() {
		return nil, ErrNoMain
	}
	if c.entry == nil {
		return nil, fmt.Errorf("process: a Command that Function.Command did not make: %w", fs.ErrInvalid)
	}
	child, err := c.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("process: start %s: %w", c.entry.name, err)
	}
	return child, nil
}

// Run starts a child and waits for its end, as Function.Run does.
func (c *Command) Run(ctx context.Context) error {
	child, err := c.Start(ctx)
	if err != nil {
		return err
	}
	<-child.done
	switch {
	case ctx.Err() == nil, child.err == nil && !child.interrupted:
		return child.err
	case child.err == nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ctx.Err(), child.err)
}

func (c *Command) start(ctx context.Context) (*Child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.Grace < 0 || strings.IndexByte(c.Name, 0) >= 0 {
		return nil, fmt.Errorf("grace %v, name %q: %w", c.Grace, c.Name, fs.ErrInvalid)
	}
	p, err := c.pack()
	if err != nil {
		return nil, err
	}
	defer p.close()
	p.Function = c.entry.name
	p.Name = c.Name
	if p.Name == "" {
		p.Name = c.entry.defaultName()
	}
	p.Grace = c.Grace
	if p.Grace == 0 {
		p.Grace = defaultGrace
	}
	child, err := c.spawn(p)
	if err != nil {
		return nil, err
	}
	child.watch(ctx)
	return child, nil
}

// spawn starts the process for p. The descriptors that p holds stay p's.
func (c *Command) spawn(p *parcel) (*Child, error) {
	box, err := newMailbox(p)
	if err != nil {
		return nil, err
	}
	alive, control, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, box.close())
	}
	defer func() { _ = alive.Close() }() // the child has its own
	cmd := &exec.Cmd{
		Path:        executable(),
		Args:        []string{os.Args[0], p.Name}, // the name is for ps
		Env:         append(c.environment(), childVariable+"="+box.nonce()),
		Dir:         c.Dir,
		Stdout:      output(c.Stdout, os.Stdout),
		Stderr:      output(c.Stderr, os.Stderr),
		ExtraFiles:  append([]*os.File{alive, box.file}, p.descriptors...),
		SysProcAttr: c.SysProcAttr,
		WaitDelay:   p.Grace,
	}
	input, err := c.connectInput(cmd)
	if err == nil {
		err = cmd.Start()
		if c.SysProcAttr == nil { // it can name descriptors too, and those may be bad
			err = sys.StartError(err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, control.Close(), box.close())
	}
	if input != nil {
		go feed(input, c.Stdin)
	}
	return newChild(p, cmd, control, box), nil
}

// environment returns the child's environment without Shoal's own variable.
func (c *Command) environment() []string {
	env := c.Env
	if env == nil {
		env = os.Environ()
		if dir, err := filepath.Abs(c.Dir); err == nil && c.Dir != "" {
			env = append(env, "PWD="+dir) // as os/exec does
		}
	}
	kept := make([]string, 0, len(env)+1)
	for _, v := range env {
		if !strings.HasPrefix(v, childVariable+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// output returns where a stream of the child goes. A parent whose own stream
// is closed has nothing to pass on: nil, which is the null device.
func output(w io.Writer, standard *os.File) io.Writer {
	if w != nil {
		return w
	}
	if _, err := standard.Stat(); err != nil {
		return nil
	}
	return standard
}

// connectInput sets cmd's standard input; it returns what feed must write to if
// Stdin is no file. os/exec would do that too, but its Wait then waits for the
// reader, and the end of a child must not wait for somebody to type.
func (c *Command) connectInput(cmd *exec.Cmd) (io.WriteCloser, error) {
	if c.Stdin == nil {
		return nil, nil
	}
	if f, ok := c.Stdin.(*os.File); ok {
		cmd.Stdin = f
		return nil, nil
	}
	return cmd.StdinPipe()
}

// feed copies r to the child's standard input until either ends.
func feed(w io.WriteCloser, r io.Reader) {
	_, _ = io.Copy(w, r) // a child that does not read to the end is no error
	_ = w.Close()
}
