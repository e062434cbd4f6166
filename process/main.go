package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// childVariable is the environment variable that makes a process a child; Main
// takes it away, so that what the child starts otherwise is none.
const childVariable = "SHOAL_CHILD"

// Descriptors that every child is started with.
const (
	controlDescriptor = 3 + iota // ends when the parent does
	mailboxDescriptor
	firstDescriptor // files and segments of the argument
)

// Main makes this process ready for children. Call it first in main, or in
// TestMain before m.Run: in a child it runs the child's function and never
// returns, so nothing that stands before it is undone, and nothing after it
// runs there. In any other process it returns at once.
//
// The child exits with 0 if its function returned nil (or, after Child.Stop,
// its ctx's error), with 1 and a line on standard error if it returned an error,
// with 2 and the stack there if it panicked. If SIGINT or SIGTERM arrived it
// ends by that signal, once the function has returned. If the parent dies, the
// function's ctx ends, and if it does not return within Command.Grace the child
// exits all the same.
func Main() {
	nonce, ok := os.LookupEnv(childVariable)
	if !ok {
		self.setMain("")
		return
	}
	_ = os.Unsetenv(childVariable) // its name is valid
	c, err := arrive(nonce)
	if err != nil {
		fmt.Fprintf(os.Stderr, "process: %s is set, but this is no child of Shoal: %v\n", childVariable, err)
		os.Exit(codeError)
	}
	self.setMain(c.parcel.Name)
	c.work()
}

// arrival is a child from inside.
type arrival struct {
	control *os.File
	box     *mailbox
	parcel  *parcel
}

// arrive takes the call that the parent has left.
func arrive(nonce string) (*arrival, error) {
	control, err := sys.AdoptPipe(controlDescriptor, "control")
	if err != nil {
		return nil, err
	}
	file, err := sys.Adopt(mailboxDescriptor, "call")
	if err != nil {
		return nil, err
	}
	box, p, err := openMailbox(file, nonce)
	if err != nil {
		return nil, err
	}
	os.Args = os.Args[:1] // the other one was for ps
	rename()
	return &arrival{control: control, box: box, parcel: p}, nil
}

// rename gives the process the name that ps and top show: the kernel took it
// from the path, which is /proc/self/exe.
func rename() {
	_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0) // a nicety; there may be no /proc
}

// ending is how the function of a child ended.
type ending struct {
	report report
	signal os.Signal // to end by, or nil
}

// work runs the child's function and ends the process.
func (c *arrival) work() {
	w := newWatcher(c.control, c.parcel.Grace, c.parcel.Name)
	e := ending{report: report{Returned: true}}
	returned := false
	defer func() {
		if !returned {
			e.report.Err = panicked(recover())
		}
		e.signal = w.stop()
		c.end(e)
	}()
	err := c.call(w.ctx)
	returned = true
	switch {
	case err == nil:
	case w.ctx.Err() != nil && (errors.Is(err, w.ctx.Err()) || errors.Is(err, context.Cause(w.ctx))):
		e.report.Interrupted = true
	default:
		source := ""
		if entry := self.lookup(c.parcel.Function); entry != nil {
			source = entry.source
		}
		e.report.Err = describe(err, source)
	}
}

// call calls the child's function.
func (c *arrival) call(ctx context.Context) error {
	entry := self.lookup(c.parcel.Function)
	if entry == nil {
		return fmt.Errorf("process: no function %q in this executable: register it in a package-level var", c.parcel.Function)
	}
	return entry.run(ctx, c.parcel)
}

// panicked describes a panic with value. A nil value is runtime.Goexit, which
// must not leave a process without a main goroutine behind.
func panicked(value any) *RemoteError {
	if value == nil {
		value = errors.New("the function called runtime.Goexit")
	}
	return describePanic(value, stackOfPanic())
}

// end reports to the parent and ends the process.
func (c *arrival) end(e ending) {
	err := c.box.send(e.report)
	if e.report.Err == nil || !e.report.Err.Panic {
		object.Inside().Depart()
	}
	signal.Ignore(syscall.SIGPIPE) // a broken standard error must not change how this ends
	code := 0
	switch remote := e.report.Err; {
	case remote != nil && remote.Panic:
		code = codePanic
		fmt.Fprintf(os.Stderr, "process: %s: %v\n\n%s\n", c.parcel.Name, remote, remote.Stack)
	case remote != nil:
		code = codeError
		fmt.Fprintf(os.Stderr, "process: %s: %v\n", c.parcel.Name, remote)
	case err != nil:
		code = codeError
		fmt.Fprintf(os.Stderr, "process: %s: %v\n", c.parcel.Name, err)
	}
	if e.signal != nil {
		endBy(e.signal)
	}
	os.Exit(code)
}

// endBy ends this process by sig, so that whoever waits for it sees that.
func endBy(sig os.Signal) {
	signal.Reset(sig)
	p, err := os.FindProcess(os.Getpid())
	if err != nil || p.Signal(sig) != nil {
		return
	}
	// The signal is on its way. The first process of a pid namespace is immune to it.
	<-time.After(time.Second)
}
