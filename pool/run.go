package pool

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/remote"
	"github.com/shoal-ipc/shoal/process"
)

// runAll runs the tasks of a chunk, in the worker.
func runAll[In, Out any](fn *Function[In, Out], x *execution, f func(context.Context, In) (Out, error)) {
	in, out, err := fn.codecs()
	if err != nil {
		x.failAll(err)
		return
	}
	r := runner[In, Out]{x: x, f: f, in: in, out: out, fixed: out.Layout() != nil}
	x.elements.size = sizeOf(in)
	for x.more() {
		data, err := x.elements.next()
		if err != nil {
			x.failAll(err)
			return
		}
		if buf, failure := r.run(data); failure == nil {
			x.done(buf)
		} else {
			x.fail(failure)
		}
	}
}

// runner runs the tasks of one function.
type runner[In, Out any] struct {
	x     *execution
	f     func(context.Context, In) (Out, error)
	in    *codec.Codec[In]
	out   *codec.Codec[Out]
	fixed bool
}

// run runs one task and appends its result to the area. All that is the user's
// runs here: the function, and the methods by which types travel.
func (r *runner[In, Out]) run(data []byte) (buf []byte, failure *process.RemoteError) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // else the goroutine ends, which serve deals with
			failure = asRemote(remote.Inside().DescribePanic(v))
		}
	}()
	buf, err := r.call(data)
	returned = true
	if err != nil {
		return nil, r.x.describe(err)
	}
	return buf, nil
}

func (r *runner[In, Out]) call(data []byte) ([]byte, error) {
	if !r.in.Raw() { // it may not change while it is decoded
		data = append([]byte(nil), data...)
	}
	var in In
	if err := r.in.Decode(data, &in); err != nil {
		return nil, err
	}
	result, err := r.f(r.x.ctx, in)
	if err != nil {
		return nil, err
	}
	if r.fixed {
		return r.out.Append(r.x.room(), result)
	}
	buf, err := r.out.Append(append(r.x.room(), make([]byte, lengthSize)...), result)
	if err == nil {
		err = r.x.lengthen(buf)
	}
	return buf, err
}
