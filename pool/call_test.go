package pool_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

func TestCall(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	t.Run("POL-01 a call", func(t *testing.T) {
		if x, err := square.Call(ctx, p, 5); err != nil || x != 25 {
			t.Error(x, err)
		}
		if x, err := upper.Call(ctx, p, "text"); err != nil || x != "TEXT" {
			t.Error(x, err)
		}
	})
	t.Run("POL-10 a future", func(t *testing.T) {
		f := square.Go(ctx, p, 7)
		for range 2 {
			if x, err := f.Get(ctx); err != nil || x != 49 {
				t.Error(x, err)
			}
		}
		arrived, gate := atGate(t)
		slow := meet.Go(ctx, p, meeting{Number: 200, Arrived: arrived, Gate: gate})
		began := time.Now()
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := slow.Get(short); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < 20*time.Millisecond {
			t.Errorf("Get with a timeout: %v after %v", err, time.Since(began))
		}
		if _, err := slow.Get(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get with a ctx that is done: %v", err)
		}
		gate.Set()
		if x, err := slow.Get(ctx); err != nil || x != 200 {
			t.Errorf("the task went on: %v, %v", x, err)
		}
	})
	t.Run("POL-11 the same error again", func(t *testing.T) {
		f := halve.Go(ctx, p, 3)
		<-f.Done()
		_, first := f.Get(ctx)
		_, second := f.Get(ctx)
		if first == nil || first != second { //nolint:errorlint // the very same
			t.Errorf("%v, %v", first, second)
		}
	})
	t.Run("POL-03 POL-30 done is told at any time", func(t *testing.T) {
		f := square.Go(ctx, p, 7)
		for range 2 {
			select {
			case <-f.Done():
			case <-ctx.Done():
				t.Error("it is not told")
			}
		}
	})
	t.Run("POL-17 an error keeps type, text and stack", func(t *testing.T) {
		_, err := behave.Call(ctx, p, "fail")
		var remote *process.RemoteError
		if !errors.As(err, &remote) {
			t.Fatalf("%T %v", err, err)
		}
		if remote.Message != "it went wrong: unexpected EOF" || remote.Type != "*fmt.wrapError" || remote.PID == os.Getpid() ||
			!strings.Contains(remote.Stack, "functions_test.go:") {
			t.Errorf("%+v", remote)
		}
	})
	t.Run("a panic keeps its stack", func(t *testing.T) {
		_, err := behave.Call(ctx, p, "panic")
		var remote *process.RemoteError
		if !errors.As(err, &remote) || !remote.Panic || remote.Message != "it went very wrong" || !strings.Contains(remote.Stack, "pool_test.do(") {
			t.Errorf("%T %+v", err, err)
		}
		if _, err = behave.Call(ctx, p, "index"); !errors.As(err, &remote) || !strings.Contains(remote.Message, "index out of range") {
			t.Errorf("%T %v", err, err)
		}
	})
	t.Run("runtime.Goexit is an error", func(t *testing.T) {
		if _, err := behave.Call(ctx, p, "goexit"); err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Error(err)
		}
	})
	t.Run("POL-18 sentinels cross", func(t *testing.T) {
		if _, err := halve.Call(ctx, p, 3); !errors.Is(err, errOdd) {
			t.Error(err)
		}
	})
	t.Run("POL-04 POL-19 an argument that cannot travel", func(t *testing.T) {
		var remote *process.RemoteError
		_, err := meet.Call(ctx, p, meeting{Seg: new(shm.Segment)})
		if !errors.Is(err, fs.ErrClosed) || errors.As(err, &remote) {
			t.Error(err)
		}
		if _, err = meet.Go(ctx, p, meeting{Seg: new(shm.Segment)}).Get(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
		if _, err = meet.Map(ctx, p, []meeting{{Seg: new(shm.Segment)}}); !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
		var wrong *shm.TypeError
		if _, err = takesFile.Call(ctx, p, os.Stdin); !errors.As(err, &wrong) {
			t.Error(err)
		}
	})
	t.Run("POL-23 an argument that cannot be decoded", func(t *testing.T) {
		var remote *process.RemoteError
		if _, err := moody.Call(ctx, p, mood("in")); !errors.As(err, &remote) || !strings.Contains(err.Error(), "bad mood") {
			t.Error(err)
		}
		if _, err := moody.Call(ctx, p, mood("panic")); !errors.As(err, &remote) || !remote.Panic {
			t.Error(err)
		}
		if x, err := moody.Call(ctx, p, mood("good")); err != nil || x != "good" {
			t.Error(x, err)
		}
	})
	t.Run("long arguments and results", func(t *testing.T) {
		for _, n := range []int{0, 1, 200, 300, 16 << 10, 64 << 10, 1 << 20, 5 << 20} {
			text := bytes.Repeat([]byte("x"), n)
			b, err := repeat.Call(ctx, p, repetition{text, 2})
			if err != nil || len(b) != 2*n {
				t.Fatal(n, len(b), err)
			}
		}
	})
	t.Run("values of every kind", func(t *testing.T) {
		want := everything{"a", []float64{1, math.Pi}, map[string]int{"x": 1}, &mixture{7, true}, time.Unix(5, 6).UTC()}
		got, err := echo.Call(ctx, p, want)
		if err != nil || got.A != want.A || got.B[1] != math.Pi || got.C["x"] != 1 || *got.D != *want.D || !got.E.Equal(want.E) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestMisuse(t *testing.T) {
	ctx := deadline(t)
	t.Run("POL-12 options that cannot be", func(t *testing.T) {
		for _, o := range []pool.Options{{Workers: -1}, {TasksPerWorker: -1}, {Retries: -1}, {Chunk: -1}, {Grace: -1}, {Workers: 1 << 20}} {
			if p, err := pool.New(ctx, &o); !errors.Is(err, fs.ErrInvalid) || p != nil {
				t.Errorf("%+v: %v", o, err)
			}
		}
	})
	t.Run("a ctx that is done", func(t *testing.T) {
		done, cancel := context.WithCancel(ctx)
		cancel()
		if p, err := pool.New(done, nil); !errors.Is(err, context.Canceled) || p != nil {
			t.Error(err)
		}
		p := mustNew(t, &pool.Options{Workers: 1})
		if _, err := square.Call(done, p, 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := square.Go(done, p, 1).Get(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := square.Map(done, p, []int{1}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for _, err := range square.Stream(done, p, count(1)) {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if err := p.Shutdown(done); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("a name that is taken, and Func after Main", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		pool.Func("late", func(context.Context, int) (int, error) { return 0, nil })
	})
}
