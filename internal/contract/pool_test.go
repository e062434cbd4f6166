package contract

import (
	"errors"
	"io/fs"
	"iter"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// Package pool.
type (
	pol = *pool.Pool
	pfn = *pool.Function[int, string]
	fut = *pool.Future[string]
)

var (
	_ = []error{pool.ErrClosed, pool.ErrCanceled}
	_ = pool.Options{
		Workers: int(0), TasksPerWorker: int(0), Retries: int(0), Chunk: int(0), Grace: time.Duration(0),
	}
	_ = pool.WorkerDiedError{Function: "", Attempts: int(0), Err: (*process.ExitError)(nil)}

	_ func(ctxt, *pool.Options) (pol, error) = pool.New
	_ func(pol) []kid                        = pol.Workers
	_ func(pol, ctxt) error                  = pol.Shutdown
	_ func(pol) error                        = pol.Close

	_ func(string, func(ctxt, int) (string, error)) pfn = pool.Func[int, string]

	_ func(string, func(ctxt) (bool, error), func(ctxt, bool, int) (string, error)) pfn = pool.FuncWith[bool, int, string]

	_ func(pfn, ctxt, pol, int) (string, error)                     = pfn.Call
	_ func(pfn, ctxt, pol, int) fut                                 = pfn.Go
	_ func(pfn, ctxt, pol, []int) ([]string, error)                 = pfn.Map
	_ func(pfn, ctxt, pol, []int, func(int, int)) ([]string, error) = pfn.MapProgress
	_ func(pfn, ctxt, pol, iter.Seq[int]) iter.Seq2[string, error]  = pfn.Stream
	_ func(pfn, ctxt, pol, iter.Seq[int]) iter.Seq2[string, error]  = pfn.StreamUnordered
	_ func(fut, ctxt) (string, error)                               = fut.Get
	_ func(fut) <-chan struct{}                                     = fut.Done
	_ func(fut) bool                                                = fut.Cancel
	_ func(*pool.WorkerDiedError) error                             = (*pool.WorkerDiedError).Unwrap
)

func TestPoolSentinels(t *testing.T) {
	if !errors.Is(pool.ErrClosed, fs.ErrClosed) || pool.ErrClosed.Error() != "pool: closed: file already closed" {
		t.Error(pool.ErrClosed)
	}
	if pool.ErrCanceled.Error() != "pool: task canceled" {
		t.Error(pool.ErrCanceled)
	}
	if err := (&pool.WorkerDiedError{}).Unwrap(); err != nil {
		t.Errorf("no ExitError unwraps to %v", err)
	}
}
