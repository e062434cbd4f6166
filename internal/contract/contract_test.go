// Package contract pins the public surface: programs elsewhere are compiled
// against these names and signatures. It holds declarations only; that it
// compiles is the test. A line is changed here only together with a decision in
// docs/decisions.
package contract

import (
	"context"
	"encoding"
	"errors"
	"io"
	"io/fs"
	"iter"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

type (
	ctxt = context.Context
	segm = *shm.Segment
	opts = *shm.Options
)

// handle is what every handle has.
type handle interface {
	Name() string
	Segment() *shm.Segment
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

// withSpec is what a handle has whose object has a Spec.
type withSpec[S any] interface {
	handle
	Spec() S
}

var (
	_ handle                     = (*value.Value[int64])(nil)
	_ handle                     = (*value.Atomic[int64])(nil)
	_ withSpec[array.Spec]       = (*array.Array[int64])(nil)
	_ withSpec[array.Spec]       = (*array.Atomic[int64])(nil)
	_ withSpec[lock.Spec]        = (*lock.Mutex)(nil)
	_ handle                     = (*lock.Event)(nil)
	_ withSpec[lock.BarrierSpec] = (*lock.Barrier)(nil)
	_ withSpec[semaphore.Spec]   = (*semaphore.Semaphore)(nil)
	_ withSpec[queue.Spec]       = (*queue.Queue[int64])(nil)
	_ encoding.TextMarshaler     = segm(nil)
	_ encoding.TextUnmarshaler   = segm(nil)
)

// Package shm.
var (
	_ = []error{shm.ErrIncompatible, shm.ErrCorrupt, shm.ErrNoSpace, shm.ErrType}
	_ = []interface {
		error
		Is(error) bool
	}{(*shm.IncompatibleError)(nil), (*shm.CorruptError)(nil), (*shm.SpaceError)(nil), (*shm.TypeError)(nil)}
	_ = shm.IncompatibleError{Segment: "", Object: "", Field: "", Have: "", Want: ""}
	_ = shm.CorruptError{Segment: "", Object: "", Field: "", Offset: int64(0), Got: "", Want: ""}
	_ = shm.SpaceError{Segment: "", Object: "", Need: int64(0), Free: int64(0), Limit: ""}
	_ = shm.TypeError{Type: "", Path: "", Reason: ""}
	_ = []shm.Lifetime{shm.LastUser, shm.Owner, shm.Persistent}
	_ = shm.Spec{Size: int64(0), MaxSize: int64(0), Participants: int(0), Lifetime: shm.LastUser, Mode: fs.FileMode(0), Group: ""}
	_ = shm.Options{Dir: "", ReadOnly: false, AnyOwner: false, Init: (func(segm) error)(nil)}
	_ = shm.Stat{Size: int64(0), Used: int64(0), Created: time.Time{}, Deaths: uint64(0)}
	_ = shm.Participant{Slot: int(0), PID: int(0), Exe: "", UID: int(0), Attached: time.Time{}, Alive: false}
	_ = shm.Object{Name: "", Kind: "", Type: "", Spec: "", State: "", Size: int64(0), Created: time.Time{}, Creator: int(0)}
	_ = shm.Hold{Object: "", Kind: "", Participant: shm.Participant{}, Count: int(0), Waiting: false}
	_ = shm.Death{Participant: shm.Participant{}, Time: time.Time{}, Held: []shm.Hold(nil)}

	_ func() (string, error)                           = shm.Layout[int64]
	_ func(ctxt, string, shm.Spec, opts) (segm, error) = shm.Create
	_ func(ctxt, string, opts) (segm, error)           = shm.Open
	_ func(ctxt, string, shm.Spec, opts) (segm, error) = shm.OpenOrCreate
	_ func(shm.Spec) (segm, error)                     = shm.Anonymous
	_ func(ctxt, *os.File, opts) (segm, error)         = shm.FromFile
	_ func(ctxt, *net.UnixConn, opts) (segm, error)    = shm.Receive
	_ func(string, opts) error                         = shm.Remove
	_ func(opts) ([]string, error)                     = shm.List
	_ func(ctxt, opts) ([]string, error)               = shm.Prune
	_ func(segm) error                                 = segm.Close
	_ func(segm, ctxt, string) error                   = segm.Remove
	_ func(segm, ctxt, *net.UnixConn) error            = segm.Send
	_ func(segm) (*os.File, error)                     = segm.File
	_ func(segm) string                                = segm.Name
	_ func(segm) shm.Spec                              = segm.Spec
	_ func(segm) (shm.Stat, error)                     = segm.Stat
	_ func(segm) ([]shm.Participant, error)            = segm.Participants
	_ func(segm) ([]shm.Object, error)                 = segm.Objects
	_ func(segm) ([]shm.Hold, error)                   = segm.Holds
	_ func(segm, ctxt) iter.Seq2[shm.Death, error]     = segm.Deaths
	_ func(segm) error                                 = segm.Check
	_ func(shm.Participant) string                     = shm.Participant.String
	_ func(shm.Death) string                           = shm.Death.String
	_ func(testing.TB, shm.Spec) segm                  = shmtest.Segment
	_ func(testing.TB, *process.Child)                 = shmtest.Kill
)

// Package value.
type (
	val = *value.Value[float64]
	atm = *value.Atomic[uint32]
)

func integers[T value.Integer]() {}
func numbers[T value.Number]()   {}

var (
	_ = []func(){integers[int32], integers[uint64], integers[int], integers[uint], numbers[float32], numbers[float64], numbers[int64]}

	_ func(ctxt, segm, string, float64) (val, error)       = value.Create[float64]
	_ func(ctxt, segm, string) (val, error)                = value.Open[float64]
	_ func(ctxt, segm, string, float64) (val, error)       = value.OpenOrCreate[float64]
	_ func(val) float64                                    = val.Load
	_ func(val, ctxt, float64) error                       = val.Store
	_ func(val, ctxt, func(*float64) error) error          = val.Update
	_ func(val, ctxt, func(float64) bool) (float64, error) = val.Wait
	_ func(val, ctxt) iter.Seq2[float64, error]            = val.Watch
	_ func(ctxt, segm, string, uint32) (atm, error)        = value.CreateAtomic[uint32]
	_ func(ctxt, segm, string) (atm, error)                = value.OpenAtomic[uint32]
	_ func(ctxt, segm, string, uint32) (atm, error)        = value.OpenOrCreateAtomic[uint32]
	_ func(atm) uint32                                     = atm.Load
	_ func(atm, uint32)                                    = atm.Store
	_ func(atm, uint32) uint32                             = atm.Add
	_ func(atm, uint32) uint32                             = atm.Swap
	_ func(atm, uint32, uint32) bool                       = atm.CompareAndSwap
	_ func(atm, ctxt, func(uint32) bool) (uint32, error)   = atm.Wait
	_ func(atm, uint32) uint32                             = value.And[uint32]
	_ func(atm, uint32) uint32                             = value.Or[uint32]
)

// Package array.
type (
	arr  = *array.Array[int16]
	aarr = *array.Atomic[float64]
)

var (
	_ = array.Spec{Len: int(0), OnDeath: lock.Poison}

	_ func(ctxt, segm, string, array.Spec) (arr, error)  = array.Create[int16]
	_ func(ctxt, segm, string) (arr, error)              = array.Open[int16]
	_ func(ctxt, segm, string, array.Spec) (arr, error)  = array.OpenOrCreate[int16]
	_ func(arr) int                                      = arr.Len
	_ func(arr, int) int16                               = arr.At
	_ func(arr, int, int16)                              = arr.Set
	_ func(arr, int, []int16) int                        = arr.CopyIn
	_ func(arr, int, []int16) int                        = arr.CopyOut
	_ func(arr) iter.Seq2[int, int16]                    = arr.All
	_ func(arr) []int16                                  = arr.View
	_ func(arr, ctxt, func([]int16) error) error         = arr.Do
	_ func(arr) *lock.Mutex                              = arr.Mutex
	_ func(ctxt, segm, string, array.Spec) (aarr, error) = array.CreateAtomic[float64]
	_ func(ctxt, segm, string) (aarr, error)             = array.OpenAtomic[float64]
	_ func(ctxt, segm, string, array.Spec) (aarr, error) = array.OpenOrCreateAtomic[float64]
	_ func(aarr) int                                     = aarr.Len
	_ func(aarr, int) float64                            = aarr.Load
	_ func(aarr, int, float64)                           = aarr.Store
	_ func(aarr, int, float64) float64                   = aarr.Add
	_ func(aarr, int, float64) float64                   = aarr.Swap
	_ func(aarr, int, float64, float64) bool             = aarr.CompareAndSwap
	_ func(aarr) iter.Seq2[int, float64]                 = aarr.All
)

// Package lock.
type mut = *lock.Mutex

var (
	_ = []error{lock.ErrPoisoned, lock.ErrLocked, lock.ErrNotOwner}
	_ = []lock.OnDeath{lock.Poison, lock.Release}
	_ = lock.Spec{OnDeath: lock.Poison}
	_ = &lock.Mutex{Repair: (func() error)(nil)}

	_ func(ctxt, segm, string, lock.Spec) (mut, error) = lock.CreateMutex
	_ func(ctxt, segm, string) (mut, error)            = lock.OpenMutex
	_ func(ctxt, segm, string, lock.Spec) (mut, error) = lock.OpenOrCreateMutex
	_ func(mut, ctxt) error                            = mut.Lock
	_ func(mut) error                                  = mut.TryLock
	_ func(mut) error                                  = mut.Unlock
	_ func(mut, ctxt, func() error) error              = mut.Do
	_ func(mut, ctxt, func() error) error              = mut.Recover
	_ func(mut) (shm.Participant, bool)                = mut.Holder
)

type (
	evt = *lock.Event
	bar = *lock.Barrier
	cnd = *lock.Cond
	tab = *lock.Table
	rwm = *lock.RWMutex
)

var (
	_ func(ctxt, segm, string) (evt, error) = lock.CreateEvent
	_ func(ctxt, segm, string) (evt, error) = lock.OpenEvent
	_ func(ctxt, segm, string) (evt, error) = lock.OpenOrCreateEvent
	_ func(evt)                             = evt.Set
	_ func(evt)                             = evt.Clear
	_ func(evt) bool                        = evt.IsSet
	_ func(evt, ctxt) error                 = evt.Wait

	_ = &lock.RWMutex{Repair: (func() error)(nil)}

	_ withSpec[lock.Spec]                              = rwm(nil)
	_ func(ctxt, segm, string, lock.Spec) (rwm, error) = lock.CreateRWMutex
	_ func(ctxt, segm, string) (rwm, error)            = lock.OpenRWMutex
	_ func(ctxt, segm, string, lock.Spec) (rwm, error) = lock.OpenOrCreateRWMutex
	_ func(rwm, ctxt) error                            = rwm.Lock
	_ func(rwm) error                                  = rwm.TryLock
	_ func(rwm) error                                  = rwm.Unlock
	_ func(rwm, ctxt, func() error) error              = rwm.Do
	_ func(rwm, ctxt) error                            = rwm.RLock
	_ func(rwm) error                                  = rwm.TryRLock
	_ func(rwm) error                                  = rwm.RUnlock
	_ func(rwm, ctxt, func() error) error              = rwm.RDo
	_ func(rwm, ctxt, func() error) error              = rwm.Recover

	_ = lock.TableSpec{Len: int(0), OnDeath: lock.Poison}
	_ = lock.ErrTableFull

	_ withSpec[lock.TableSpec]                              = tab(nil)
	_ func(ctxt, segm, string, lock.TableSpec) (tab, error) = lock.CreateTable
	_ func(ctxt, segm, string) (tab, error)                 = lock.OpenTable
	_ func(ctxt, segm, string, lock.TableSpec) (tab, error) = lock.OpenOrCreateTable
	_ func(tab) int                                         = tab.Len
	_ func(tab) (int, error)                                = tab.Alloc
	_ func(tab, int) error                                  = tab.AllocAt
	_ func(tab, int) error                                  = tab.Free
	_ func(tab, int) mut                                    = tab.At
	_ func(tab) iter.Seq2[int, mut]                         = tab.All

	_ handle                               = cnd(nil)
	_ func(ctxt, mut, string) (cnd, error) = lock.CreateCond
	_ func(ctxt, mut, string) (cnd, error) = lock.OpenCond
	_ func(ctxt, mut, string) (cnd, error) = lock.OpenOrCreateCond
	_ func(cnd, ctxt) error                = cnd.Wait
	_ func(cnd, ctxt, func() bool) error   = cnd.WaitFor
	_ func(cnd) error                      = cnd.Signal
	_ func(cnd, int) error                 = cnd.SignalN
	_ func(cnd) error                      = cnd.Broadcast
	_ func(cnd) mut                        = cnd.Mutex

	_                                                         = lock.BarrierSpec{Parties: int(0)}
	_                                                         = lock.ErrBroken
	_ func(ctxt, segm, string, lock.BarrierSpec) (bar, error) = lock.CreateBarrier
	_ func(ctxt, segm, string) (bar, error)                   = lock.OpenBarrier
	_ func(ctxt, segm, string, lock.BarrierSpec) (bar, error) = lock.OpenOrCreateBarrier
	_ func(bar, ctxt) (int, error)                            = bar.Wait
	_ func(bar)                                               = bar.Abort
	_ func(bar)                                               = bar.Reset
	_ func(bar) int                                           = bar.Parties
	_ func(bar) int                                           = bar.Waiting
	_ func(bar) bool                                          = bar.Broken
)

// Package semaphore.
type sem = *semaphore.Semaphore

var (
	_ = []error{semaphore.ErrNoPermit, semaphore.ErrNotHeld}
	_ = []semaphore.Kind{semaphore.Bounded, semaphore.Signal}
	_ = semaphore.Spec{Permits: int(0), Kind: semaphore.Bounded}

	_ func(ctxt, segm, string, semaphore.Spec) (sem, error) = semaphore.Create
	_ func(ctxt, segm, string) (sem, error)                 = semaphore.Open
	_ func(ctxt, segm, string, semaphore.Spec) (sem, error) = semaphore.OpenOrCreate
	_ func(sem, ctxt, int) error                            = sem.Acquire
	_ func(sem, int) error                                  = sem.TryAcquire
	_ func(sem, int) error                                  = sem.Release
	_ func(sem, ctxt, int, func() error) error              = sem.Do
	_ func(sem) int                                         = sem.Available
	_ func(sem) int                                         = sem.Held
)

// Package queue.
type (
	que  = *queue.Queue[string]
	loan = queue.Loan[string]
	dlv  = queue.Delivery[string]
)

var (
	_ = []error{queue.ErrFull, queue.ErrEmpty, queue.ErrTooLarge, queue.ErrSettled, queue.ErrShutdown}
	_ = []queue.Mode{queue.MPMC, queue.SPSC}
	_ = queue.Spec{Cap: int(0), Mode: queue.MPMC, SlotSize: int(0), MaxSize: int(0), Heap: int(0)}

	_ func(ctxt, segm, string, queue.Spec) (que, error) = queue.Create[string]
	_ func(ctxt, segm, string) (que, error)             = queue.Open[string]
	_ func(ctxt, segm, string, queue.Spec) (que, error) = queue.OpenOrCreate[string]
	_ func(que, ctxt, string) error                     = que.Put
	_ func(que, string) error                           = que.TryPut
	_ func(que, ctxt, []string) (int, error)            = que.PutBatch
	_ func(que, ctxt) (string, error)                   = que.Get
	_ func(que) (string, error)                         = que.TryGet
	_ func(que, ctxt, []string) (int, error)            = que.GetBatch
	_ func(que, ctxt) iter.Seq2[string, error]          = que.All
	_ func(que, ctxt, func(*string) error) error        = que.PutFunc
	_ func(que, ctxt, func(*string) error) error        = que.GetFunc
	_ func(que, ctxt) (loan, error)                     = que.Reserve
	_ func(que) (loan, error)                           = que.TryReserve
	_ func(que, ctxt) (dlv, error)                      = que.Receive
	_ func(que) (dlv, error)                            = que.TryReceive
	_ func(que, ctxt) iter.Seq2[dlv, error]             = que.Deliveries
	_ func(que) <-chan struct{}                         = que.Ready
	_ func(que) error                                   = que.Shutdown
	_ func(que, ctxt) error                             = que.Join
	_ func(que) int                                     = que.Len
	_ func(que) int                                     = que.Cap
	_ func(loan) *string                                = loan.Value
	_ func(loan) error                                  = loan.Publish
	_ func(loan)                                        = loan.Abandon
	_ func(dlv) *string                                 = dlv.Value
	_ func(dlv) int                                     = dlv.Attempt
	_ func(dlv) error                                   = dlv.Ack
	_ func(dlv)                                         = dlv.Nack
)

// Package process.
type (
	fun = *process.Function[int]
	cmd = *process.Command
	kid = *process.Child
)

var (
	_ = []error{process.ErrNoMain}
	_ = process.Command{
		Name: "", Env: []string(nil), Dir: "", Stdin: io.Reader(nil), Stdout: io.Writer(nil), Stderr: io.Writer(nil),
		Grace: time.Duration(0), SysProcAttr: (*syscall.SysProcAttr)(nil),
	}
	_ = process.ExitError{Name: "", PID: int(0), Code: int(0), Signal: syscall.Signal(0), Err: error(nil)}
	_ = process.RemoteError{Type: "", Message: "", Stack: "", PID: int(0), Panic: false, Causes: []process.Cause(nil)}
	_ = process.Cause{Type: "", Message: ""}

	_ func(string, func(ctxt, int) error) fun = process.Func[int]
	_ func()                                  = process.Main
	_ func(fun, ctxt, int) (kid, error)       = fun.Start
	_ func(fun, ctxt, int) error              = fun.Run
	_ func(fun, int) cmd                      = fun.Command
	_ func(cmd, ctxt) (kid, error)            = cmd.Start
	_ func(cmd, ctxt) error                   = cmd.Run
	_ func(kid) int                           = kid.PID
	_ func(kid) string                        = kid.Name
	_ func(kid) <-chan struct{}               = kid.Done
	_ func(kid, ctxt) error                   = kid.Wait
	_ func(kid) error                         = kid.Stop
	_ func(kid) error                         = kid.Kill
	_ func(kid, os.Signal) error              = kid.Signal
	_ func(ctxt, ...kid) error                = process.Wait
	_ func() string                           = process.Name
	_ func() []kid                            = process.Children
	_ func(*process.ExitError) error          = (*process.ExitError).Unwrap
	_ func(*process.RemoteError, error) bool  = (*process.RemoteError).Is
	_ []error                                 = []error{(*process.ExitError)(nil), (*process.RemoteError)(nil)}
)

func TestSentinels(t *testing.T) {
	for _, tt := range []struct{ err, is error }{
		{queue.ErrShutdown, fs.ErrClosed},
		{kv.ErrNotFound, fs.ErrNotExist},
		{&shm.IncompatibleError{}, shm.ErrIncompatible},
		{&shm.CorruptError{}, shm.ErrCorrupt},
		{&shm.SpaceError{}, shm.ErrNoSpace},
		{&shm.TypeError{}, shm.ErrType},
	} {
		if !errors.Is(tt.err, tt.is) {
			t.Errorf("%v is not %v", tt.err, tt.is)
		}
	}
	for text, err := range map[string]error{
		"lock: poisoned: its owner died holding it": lock.ErrPoisoned,
		"lock: locked":                                     lock.ErrLocked,
		"lock: not held by this process":                   lock.ErrNotOwner,
		"lock: broken barrier":                             lock.ErrBroken,
		"semaphore: no permit free":                        semaphore.ErrNoPermit,
		"semaphore: released more than this process holds": semaphore.ErrNotHeld,
		"queue: full":                                      queue.ErrFull,
		"queue: empty":                                     queue.ErrEmpty,
		"queue: message too large":                         queue.ErrTooLarge,
		"queue: already settled":                           queue.ErrSettled,
		"queue: shut down: file already closed":            queue.ErrShutdown,
		"kv: no such key: file does not exist":             kv.ErrNotFound,
		"process: Main has not been called: call process.Main first in main, or in TestMain": process.ErrNoMain,
	} {
		if err.Error() != text {
			t.Errorf("%q, want %q", err, text)
		}
	}
}
