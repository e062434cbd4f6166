package pool

import (
	"context"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/codec"
)

// Call runs f(in) in a worker and waits. When ctx is done it returns ctx's error,
// the task's ctx ends, and a worker that does not heed that within Options.Grace
// is replaced.
//
// An error that the function returned, or its panic, is a *process.RemoteError. If
// the worker died in it, and at each retry, that is a *WorkerDiedError. Other
// errors are those of in's encoding, of the result's decoding, and ErrClosed.
func (f *Function[In, Out]) Call(ctx context.Context, p *Pool, in In) (Out, error) {
	t := f.begin(ctx, p, in)
	if t.job == nil { // it has failed
		return t.value, t.err
	}
	if err := t.wait(ctx); err != nil {
		if t.settle(err) {
			p.stopJob(t.job)
		}
		var none Out
		return none, err // the result may come at this moment
	}
	return t.value, t.err
}

// Go queues f(in) and returns at once; every error is Get's. ctx bounds the task:
// when it is done the task is stopped as in Call.
func (f *Function[In, Out]) Go(ctx context.Context, p *Pool, in In) *Future[Out] {
	t := f.begin(ctx, p, in)
	if t.job == nil {
		return t
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() {
			if t.settle(ctx.Err()) {
				p.stopJob(t.job)
			}
		})
		t.unwatch.Store(&stop)
		if t.settled.Load() {
			stop()
		}
	}
	p.ensureCollector()
	return t
}

// begin submits f(in). After an error the future is settled, and has no job.
func (f *Function[In, Out]) begin(ctx context.Context, p *Pool, in In) *Future[Out] {
	t := &Future[Out]{pool: p, done: make(chan struct{})}
	if err := t.submit(ctx, f.entry, func(j *job) (*chunk, error) { return f.single(j, t, in) }); err != nil {
		t.job = nil
		t.settle(err)
	}
	return t
}

// single returns the chunk of a job of one task.
func (f *Function[In, Out]) single(j *job, t *Future[Out], in In) (*chunk, error) {
	inCodec, outCodec, err := f.codecs()
	if err != nil {
		return nil, err
	}
	t.codec = outCodec
	j.size = sizeOf(outCodec)
	l := newLoad(inCodec)
	if err := l.add(in); err != nil {
		return nil, err
	}
	return l.chunk(j, 0), nil
}

// Future is the result of a task that may not have ended. It is safe for
// concurrent use.
type Future[Out any] struct {
	pool  *Pool
	job   *job
	chunk *chunk
	codec *codec.Codec[Out]
	done  chan struct{}

	unwatch atomic.Pointer[func() bool]
	settled atomic.Bool // by the one who sets what follows

	value Out
	err   error
}

func (t *Future[Out]) submit(ctx context.Context, e *entry, pack func(*job) (*chunk, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.job = &job{pool: t.pool, entry: e, ctx: ctx, sink: t, limit: -1}
	c, err := pack(t.job)
	if err != nil {
		return err
	}
	t.chunk = c
	return t.pool.submit(c)
}

// Get waits for the result; it may be called any number of times. If its own ctx
// is done first, it returns that one's error, and the task goes on. The other
// errors are those of Call, and ErrCanceled after Cancel.
func (t *Future[Out]) Get(ctx context.Context) (Out, error) {
	var none Out
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := t.wait(ctx); err != nil {
		return none, err
	}
	return t.value, t.err
}

// wait waits for the end of the task.
func (t *Future[Out]) wait(ctx context.Context) error {
	collector := false
	err := t.pool.await(ctx, t.done, &collector)
	if collector {
		t.pool.endCollect()
	}
	return err
}

// Done returns a channel that is closed when the result is there.
func (t *Future[Out]) Done() <-chan struct{} { return t.done }

// Cancel drops the task if it has not begun, and reports whether it did: then Get
// fails with ErrCanceled. A task that runs, or has ended, is left as it is; end its
// ctx to stop one that runs.
func (t *Future[Out]) Cancel() bool {
	if t.job == nil || t.settled.Load() || !t.pool.withdraw(t.chunk) {
		return false
	}
	<-t.done                    // somebody else may have settled it
	return t.err == ErrCanceled //nolint:errorlint // never wrapped
}

// settle ends the future with err, once, and reports whether it did.
func (t *Future[Out]) settle(err error) bool {
	if !t.settled.CompareAndSwap(false, true) {
		return false
	}
	t.err = err
	t.conclude()
	return true
}

func (t *Future[Out]) conclude() {
	if stop := t.unwatch.Load(); stop != nil {
		(*stop)()
	}
	close(t.done)
}

func (t *Future[Out]) results(_, _ int, encoded elements) {
	value, err := t.decode(encoded)
	if !t.settled.CompareAndSwap(false, true) {
		return
	}
	t.value, t.err = value, err
	t.conclude()
}

func (t *Future[Out]) decode(encoded elements) (value Out, err error) {
	if t.codec.Raw() {
		return decodeRaw(t.codec, &encoded)
	}
	var o outcome[Out]
	decodeApart(t.codec, encoded, 1, func(_ int, x outcome[Out]) { o = x })
	return o.value, o.err
}

func (t *Future[Out]) failed(_, _ int, err error) { t.settle(err) }

func (t *Future[Out]) dropped(_, _ int) {
	if err := t.job.ctx.Err(); err != nil {
		t.settle(err)
		return
	}
	t.settle(ErrCanceled)
}

func (*Future[Out]) chunkOver(*chunk) {}
