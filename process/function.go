package process

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/codec"
)

// ErrNoMain is returned by Start and Run in a process that has not called Main.
// Nothing was started then: its children could not tell that they are children.
var ErrNoMain = errors.New("process: Main has not been called: call process.Main first in main, or in TestMain")

// Function is a function that can run in a child process; Func makes one. It
// is safe for concurrent use.
type Function[A any] struct {
	entry *entry
	codec func() (*codec.Codec[A], error) // made at the first call
}

// entry is a Function without its type parameter.
type entry struct {
	name    string
	source  string // the registered function as a stack shows it: name, file and line
	run     func(ctx context.Context, p *parcel) error
	started atomic.Uint64 // for the numbers in default names
}

// Func registers f under name and returns the Function. Call it in a
// package-level var (or, if f starts itself, in an init function): a child is a
// new process of this executable that finds f by its name. It panics if the name
// is taken, or after Main.
//
// In the child, f runs on the main goroutine. Its ctx ends by Child.Stop, by
// the parent's death, by SIGINT and by SIGTERM; context.Cause says which. Once f
// has returned, the child exits, whatever other goroutines do.
//
// An A is encoded as a queue encodes it (bytes as they are, or MarshalBinary,
// or CBOR, fields by name); handles, segments and *os.File travel anywhere in it.
// A *pipe.Conn in it is the child's from its start on, and the parent's no more.
func Func[A any](name string, f func(ctx context.Context, args A) error) *Function[A] {
	c := sync.OnceValues(codecFor[A])
	e := &entry{name: name, source: sourceOf(name, f)}
	e.run = func(ctx context.Context, p *parcel) error {
		var args A
		if err := unpack(c, p, &args); err != nil {
			return err
		}
		return f(ctx, args)
	}
	if problem := self.register(e); problem != "" {
		panic(fmt.Sprintf("process: function %q %s", name, problem))
	}
	return &Function[A]{entry: e, codec: c}
}

// sourceOf describes f as a stack does, for errors that f returned: the stack
// of a function that has returned is gone.
func sourceOf(name string, f any) string {
	fn := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	if fn == nil {
		return name
	}
	file, line := fn.FileLine(fn.Entry())
	return fmt.Sprintf("%s(...), which is function %q\n\t%s:%d", fn.Name(), name, file, line)
}

// defaultName returns the name of the next child: "worker-3".
func (e *entry) defaultName() string {
	return e.name + "-" + strconv.FormatUint(e.started.Add(1), 10)
}

// Start runs the function in a new process of this executable, with args. It
// returns as soon as the process runs; that args cannot be decoded there is
// Wait's error. When ctx is done the child is stopped as by Child.Stop.
//
// On an error no process is left: ErrNoMain if Main was not called in this
// process, ctx's error if it is done, else the reason why args cannot travel or
// the process cannot be started.
func (f *Function[A]) Start(ctx context.Context, args A) (*Child, error) {
	return f.Command(args).Start(ctx)
}

// Run runs the function in a child as Start does and waits for the child's
// end. When ctx is done it stops the child, waits until it has ended, and
// returns ctx's error, unless the function returned nil all the same.
func (f *Function[A]) Run(ctx context.Context, args A) error {
	return f.Command(args).Run(ctx)
}

// Command prepares a call with args, to set more than its arguments. The
// arguments are encoded by each Start anew.
func (f *Function[A]) Command(args A) *Command {
	return &Command{entry: f.entry, pack: func() (*parcel, error) { return pack(f.codec, &args) }}
}
