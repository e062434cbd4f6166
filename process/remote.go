package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/shm"
)

// maxCauses bounds the errors of a chain that travel.
const maxCauses = 1000

// RemoteError is an error or panic that happened in another process. errors.Is
// finds in it what it would have found there.
type RemoteError struct {
	Type    string  // Go type of the error, or of the value of the panic, there
	Message string  // its text
	Stack   string  // of the panic; of an error that was returned: the function, its file and line
	PID     int     // of that process
	Panic   bool    // it was a panic
	Causes  []Cause // the chain of wrapped errors, outermost first
}

// Cause is one error of a chain.
type Cause struct{ Type, Message string }

func (e *RemoteError) Error() string {
	if e.Panic {
		return "panic: " + e.Message
	}
	return e.Message
}

// Is reports whether the chain there held an error of target's type and text,
// so that errors.Is finds sentinel errors across processes.
func (e *RemoteError) Is(target error) bool {
	want := causeOf(target)
	return want == Cause{e.Type, e.Message} || slices.Contains(e.Causes, want)
}

// describe makes err, which happened here, an error for another process.
func describe(err error, stack string) *RemoteError {
	first := causeOf(err)
	e := &RemoteError{Type: first.Type, Message: first.Message, Stack: stack, PID: os.Getpid()}
	e.addCauses(err)
	e.addSentinels(err)
	return e
}

// describePanic makes the value of a panic an error for another process.
func describePanic(value any, stack string) *RemoteError {
	if err, ok := value.(error); ok {
		e := describe(err, stack)
		e.Panic = true
		return e
	}
	return &RemoteError{
		Type:    fmt.Sprintf("%T", value),
		Message: fmt.Sprint(value), // fmt survives a String that panics
		Stack:   stack,
		PID:     os.Getpid(),
		Panic:   true,
	}
}

// causeOf returns err's type and text. An Error method that panics gives what
// fmt makes of it.
func causeOf(err error) Cause {
	return Cause{Type: fmt.Sprintf("%T", err), Message: fmt.Sprint(err)}
}

// addCauses adds what err wraps, depth first. What came from a third process
// brings its own causes.
func (e *RemoteError) addCauses(err error) {
	if len(e.Causes) >= maxCauses {
		return
	}
	if remote, ok := err.(*RemoteError); ok { //nolint:errorlint // the walk visits each error of the chain itself
		e.Causes = append(e.Causes, Cause{remote.Type, remote.Message})
		e.Causes = append(e.Causes, remote.Causes...)
	}
	switch x := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		e.addWrapped(x.Unwrap())
	case interface{ Unwrap() []error }:
		for _, wrapped := range x.Unwrap() {
			e.addWrapped(wrapped)
		}
	}
}

func (e *RemoteError) addWrapped(err error) {
	if err == nil {
		return
	}
	e.Causes = append(e.Causes, causeOf(err))
	e.addCauses(err)
}

// addSentinels adds the well-known errors that err is by an Is method, as a
// system error is fs.ErrNotExist: the method does not travel.
func (e *RemoteError) addSentinels(err error) {
	known := []error{
		fs.ErrInvalid, fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, fs.ErrClosed,
		os.ErrDeadlineExceeded, os.ErrProcessDone, errors.ErrUnsupported,
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
		shm.ErrIncompatible, shm.ErrCorrupt, shm.ErrNoSpace, shm.ErrType,
	}
	for _, sentinel := range known {
		if errors.Is(err, sentinel) && !e.Is(sentinel) {
			e.Causes = append(e.Causes, causeOf(sentinel))
		}
	}
}

// stackOfPanic returns the stack of the goroutine that is being recovered,
// without the frames of the recovery.
func stackOfPanic() string {
	stack := string(debug.Stack())
	head, rest, ok := strings.Cut(stack, "\n")
	if !ok {
		return stack
	}
	if _, after, ok := strings.Cut(rest, "\npanic("); ok {
		// After the line of panic itself comes the line of its file.
		if _, after, ok = strings.Cut(after, "\n\t"); ok {
			if _, after, ok = strings.Cut(after, "\n"); ok {
				return head + "\n" + after
			}
		}
	}
	return stack
}
