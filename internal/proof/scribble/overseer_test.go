package scribble_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// overseer runs the operations of a worker one by one, and ends the process if
// one panics or does not come back.
type overseer struct {
	patience time.Duration
	calls    int
	good     int // calls that succeeded
	current  atomic.Pointer[operation]
}

type operation struct {
	name  string
	begin time.Time
}

// How a worker ends that found a fault.
const (
	exitPanic = 80 + iota
	exitHang
	exitBeyond
)

func oversee(patience time.Duration) *overseer {
	o := &overseer{patience: patience}
	go func() {
		for {
			op := o.current.Load()
			if op != nil && time.Since(op.begin) > o.patience && o.current.Load() == op {
				o.fail(exitHang, "%s: still runs after %v", op.name, time.Since(op.begin))
			}
			time.Sleep(o.patience / 20)
		}
	}()
	return o
}

// fail ends the process with all stacks.
func (o *overseer) fail(code int, format string, args ...any) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Fprintf(os.Stderr, format+"\n%s", append(args, stacks)...)
	os.Exit(code)
}

// do runs one operation. It may fail, with any error, or panic because the
// segment is closed; nothing else. It reports whether it succeeded.
func (o *overseer) do(name string, f func() error) bool {
	o.calls++
	op := &operation{name, time.Now()}
	o.current.Store(op)
	defer o.current.Store(nil)
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); ok && (errors.Is(err, fs.ErrClosed) || errors.Is(err, fs.ErrPermission)) {
				return
			}
			fmt.Fprintf(os.Stderr, "%s panicked: %v\n%s", name, r, debug.Stack())
			os.Exit(exitPanic)
		}
	}()
	if f() != nil {
		return false
	}
	o.good++
	return true
}
