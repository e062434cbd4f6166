//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

var (
	errSpecial = errors.New("test: special")
	errOther   = errors.New("test: other")
)

// shyError says by a method that it is another error, as system errors do.
type shyError struct{ depth int }

func (e *shyError) Error() string        { return fmt.Sprintf("shy at %d", e.depth) }
func (e *shyError) Is(target error) bool { return target == shm.ErrCorrupt }

// failures are ways to fail; the child gets the key.
var failures = map[string]func() error{
	"plain":   func() error { return errSpecial },
	"wrapped": func() error { return fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", errSpecial)) },
	"joined":  func() error { return errors.Join(errOther, fmt.Errorf("second: %w", errSpecial)) },
	"missing": func() error { _, err := os.Open("/no/such/file"); return err },
	"method":  func() error { return &shyError{7} },
	"eof":     func() error { return fmt.Errorf("reading: %w", io.ErrUnexpectedEOF) },
	"bytes":   func() error { return errors.New("not UTF-8: \xff\xfe") },
	"long":    func() error { return errors.New(strings.Repeat("long ", 1<<20)) },
}

var fail = process.Func("fail", func(_ context.Context, how string) error { return failures[how]() })

// Conformance: PRC-04.
func TestReturnedErrors(t *testing.T) {
	tests := []struct {
		how    string
		typ    string
		text   string
		is, no []error
	}{
		{"plain", "*errors.errorString", "test: special", []error{errSpecial}, []error{errOther, io.EOF}},
		{"wrapped", "*fmt.wrapError", "outer: inner: test: special", []error{errSpecial}, []error{errOther}},
		{"joined", "*errors.joinError", "test: other\nsecond: test: special", []error{errSpecial, errOther}, []error{fs.ErrExist}},
		{"missing", "*fs.PathError", "open /no/such/file: no such file or directory", []error{fs.ErrNotExist, syscall.ENOENT}, []error{fs.ErrExist}},
		{"method", "*process_test.shyError", "shy at 7", []error{shm.ErrCorrupt}, []error{shm.ErrNoSpace}},
		{"eof", "*fmt.wrapError", "reading: unexpected EOF", []error{io.ErrUnexpectedEOF}, []error{io.EOF}},
		{"bytes", "*errors.errorString", "not UTF-8: \xff\xfe", nil, []error{errSpecial}},
		{"long", "*errors.errorString", strings.Repeat("long ", 1<<20), nil, []error{errSpecial}},
	}
	for _, test := range tests {
		t.Run(test.how, func(t *testing.T) {
			cmd, stderr := quiet(fail.Command(test.how))
			err := cmd.Run(deadline(t))
			e := exitOf(t, err)
			if e.Code != 1 || e.Signal != 0 || e.PID <= 0 || !strings.HasPrefix(e.Name, "fail-") {
				t.Errorf("exit: code %d, signal %d, pid %d, name %q", e.Code, e.Signal, e.PID, e.Name)
			}
			r := remoteOf(t, err)
			if r.Type != test.typ || r.Message != test.text || r.PID != e.PID || r.Panic {
				t.Errorf("remote: type %s, pid %d, panic %v, message %.80q", r.Type, r.PID, r.Panic, r.Message)
			}
			if !strings.Contains(r.Stack, "exit_test.go:") || !strings.Contains(r.Stack, `"fail"`) {
				t.Errorf("stack names neither file nor function: %s", r.Stack)
			}
			for _, want := range test.is {
				if !errors.Is(err, want) {
					t.Errorf("the error is not %v", want)
				}
			}
			for _, no := range test.no {
				if errors.Is(err, no) {
					t.Errorf("the error is %v", no)
				}
			}
			if !strings.Contains(stderr.String(), test.text) {
				t.Errorf("standard error is without the text: %.80q", stderr)
			}
		})
	}
}

func TestCausesAreTheChain(t *testing.T) {
	cmd, _ := quiet(fail.Command("wrapped"))
	r := remoteOf(t, cmd.Run(deadline(t)))
	want := []process.Cause{
		{Type: "*fmt.wrapError", Message: "inner: test: special"},
		{Type: "*errors.errorString", Message: "test: special"},
	}
	if fmt.Sprint(r.Causes) != fmt.Sprint(want) {
		t.Errorf("causes are %v, want %v", r.Causes, want)
	}
}

// relay fails with the error of a child of its own.
var relay = process.Func("relay", func(ctx context.Context, how string) error {
	cmd := fail.Command(how)
	cmd.Stderr = io.Discard
	return cmd.Run(ctx)
})

func TestErrorOfAGrandchild(t *testing.T) {
	cmd, _ := quiet(relay.Command("wrapped"))
	err := cmd.Run(deadline(t))
	if !errors.Is(err, errSpecial) {
		t.Errorf("errors.Is does not find the error of a grandchild: %v", err)
	}
	if r := remoteOf(t, err); r.Type != "*process.ExitError" {
		t.Errorf("the child's own error is a %s", r.Type)
	}
}

type awkwardError struct{}

func (awkwardError) Error() string { panic("in Error") }

// panics are ways to panic.
var panics = map[string]func(){
	"text":              func() { panic("no way") },
	"error":             func() { panic(fmt.Errorf("sorry: %w", errSpecial)) },
	"nil":               func() { var p *shyError; p.depth++ },
	"number":            func() { panic(42) },
	"goexit":            runtime.Goexit,
	"error that panics": func() { panic(awkwardError{}) },
}

var panicking = process.Func("panicking", func(_ context.Context, how string) error {
	panicHere(how)
	return nil
})

//go:noinline
func panicHere(how string) { panics[how]() }

// Conformance: PRC-04.
func TestPanics(t *testing.T) {
	tests := []struct{ how, typ, text string }{
		{"text", "string", "no way"},
		{"error", "*fmt.wrapError", "sorry: test: special"},
		{"nil", "runtime.errorString", "runtime error: invalid memory address or nil pointer dereference"},
		{"number", "int", "42"},
		{"goexit", "*errors.errorString", "the function called runtime.Goexit"},
		{"error that panics", "process_test.awkwardError", "in Error"},
	}
	for _, test := range tests {
		t.Run(test.how, func(t *testing.T) {
			cmd, stderr := quiet(panicking.Command(test.how))
			err := cmd.Run(deadline(t))
			if e := exitOf(t, err); e.Code != 2 || e.Signal != 0 {
				t.Errorf("exit: code %d, signal %d", e.Code, e.Signal)
			}
			r := remoteOf(t, err)
			if r.Type != test.typ || !strings.Contains(r.Message, test.text) || !r.Panic {
				t.Errorf("remote: type %s, panic %v, message %q", r.Type, r.Panic, r.Message)
			}
			for _, want := range []string{"panicHere", "exit_test.go:"} {
				if !strings.Contains(r.Stack, want) || !strings.Contains(stderr.String(), want) {
					t.Errorf("%q is not in both stack and standard error: %s", want, r.Stack)
				}
			}
			if test.how == "text" && strings.Contains(strings.SplitAfterN(r.Stack, "\n", 3)[1], "process.") {
				t.Errorf("the stack begins with frames of this package: %s", r.Stack)
			}
		})
	}
	cmd, _ := quiet(panicking.Command("error"))
	if err := cmd.Run(deadline(t)); !errors.Is(err, errSpecial) {
		t.Errorf("a panic with an error is not that error: %v", err)
	}
}

var exits = process.Func("exits", func(ctx context.Context, code int) error {
	if code < 0 { // in a goroutine that nobody recovers
		go panic("far away")
		<-ctx.Done()
	}
	os.Exit(code)
	return nil
})

// Conformance: PRC-04.
func TestExitCodes(t *testing.T) {
	for _, code := range []int{0, 1, 8, 255, -1} {
		cmd, _ := quiet(exits.Command(code))
		e := exitOf(t, cmd.Run(deadline(t)))
		want := code
		if code < 0 {
			want = 2
		}
		if e.Code != want || e.Signal != 0 || e.Err != nil {
			t.Errorf("exit(%d): code %d, signal %d, error %v", code, e.Code, e.Signal, e.Err)
		}
		if e.Unwrap() != nil || !strings.Contains(e.Error(), "before its function returned") {
			t.Errorf("exit(%d): %v", code, e)
		}
	}
}

func TestRemoteErrorIs(t *testing.T) {
	e := &process.RemoteError{Type: "*errors.errorString", Message: "EOF"}
	if !errors.Is(e, io.EOF) || errors.Is(e, io.ErrUnexpectedEOF) || errors.Is(e, fmt.Errorf("EOF%w", nil)) {
		t.Error("Is goes by something else than type and text")
	}
}
