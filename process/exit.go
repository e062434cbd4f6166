package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Exit codes of a child.
const (
	codeError = 1
	codePanic = 2
)

// errNotReached is the cause when a child ended without ever calling Main.
var errNotReached = errors.New("the child did not reach process.Main")

// ExitError reports a child that did not end well. It unwraps to Err.
type ExitError struct {
	Name   string         // of the child
	PID    int            // of the child, which has ended
	Code   int            // 1: its function returned an error, 2: it panicked, else what it gave os.Exit; -1 if it was killed by a signal
	Signal syscall.Signal // that killed it; 0 if none did
	Err    error          // the *RemoteError that its function returned or panicked with; nil if it ended otherwise
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("process: %s (pid %d)", e.Name, e.PID)
	_, returned := e.Err.(*RemoteError) //nolint:errorlint // of this very child, not of one further down
	switch {
	case e.Signal != 0:
		text += fmt.Sprintf(": killed by signal %d (%v)", int(e.Signal), e.Signal)
	case !returned:
		text += fmt.Sprintf(": exited with code %d before its function returned", e.Code)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns e.Err.
func (e *ExitError) Unwrap() error { return e.Err }

// outcome is all that is known of how a child ended.
type outcome struct {
	state   *os.ProcessState
	report  report
	stopped bool  // this process asked for it
	output  error // copying its output failed
}

// signal returns what killed the child, or 0.
func (o outcome) signal() syscall.Signal {
	status, ok := o.state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0
	}
	return status.Signal()
}

// interrupted reports whether the child was stopped, heeded that, and left its
// work undone.
func (o outcome) interrupted() bool {
	if !o.stopped || o.report.Err != nil {
		return false
	}
	sig := o.signal()
	return sig == syscall.SIGINT || sig == syscall.SIGTERM || o.report.Interrupted && o.state.Success()
}

// err returns what Wait says, by the rules in its documentation.
func (o outcome) err(name string) error {
	if o.interrupted() {
		return nil
	}
	r := o.report
	if r.Returned && r.Err == nil && o.state.Success() && o.output == nil {
		return nil
	}
	e := &ExitError{Name: name, PID: o.state.Pid(), Code: o.state.ExitCode(), Signal: o.signal()}
	switch {
	case r.Err != nil:
		e.Err = r.Err
	case !r.Begun && e.Signal == 0:
		e.Err = errNotReached
	case o.output != nil:
		e.Err = o.output
	}
	return e
}
