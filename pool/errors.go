package pool

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/process"
)

var (
	// ErrClosed is returned for tasks that had not ended when the pool was closed,
	// and for those that come later.
	ErrClosed = fmt.Errorf("pool: closed: %w", fs.ErrClosed)
	// ErrCanceled is returned by Future.Get after Future.Cancel.
	ErrCanceled = errors.New("pool: task canceled")
)

// errGoexit is the error of a task that ended its goroutine.
var errGoexit = errors.New("pool: the function called runtime.Goexit")

// errUnknown is the error of a task for a function that the worker does not have.
var errUnknown = errors.New("pool: no such function in this executable: register it in a package-level var")

// WorkerDiedError reports a task whose worker died in it, once and at each
// retry. It unwraps to Err.
type WorkerDiedError struct {
	Function string             // the name that it is registered under
	Attempts int                // how often the task was begun
	Err      *process.ExitError // how the worker ended, the last time
}

func (e *WorkerDiedError) Error() string {
	text := fmt.Sprintf("pool: worker died in %s", e.Function)
	if e.Attempts > 1 {
		text += fmt.Sprintf(", the last of %d times", e.Attempts)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns e.Err.
func (e *WorkerDiedError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}
