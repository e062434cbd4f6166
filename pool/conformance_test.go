package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// TestConformancePool has a subtest for each thing that users of pools rely on.
// What they rely on of workers stands in TestConformanceWorkers.
func TestConformancePool(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"POL-01": callOnce, "POL-02": mapsInOrder, "POL-04": cannotTravel, "POL-05": noElements, "POL-06": streamsInOrder,
		"POL-07": streamsAsTheyEnd, "POL-08": streamsUntilBroken, "POL-09": errorOfAnElement, "POL-10": getWithin,
		"POL-11": readyAndAgain, "POL-12": impossibleOptions, "POL-13": chunksOfAnySize, "POL-17": errorsFromAfar,
		"POL-18": sentinels, "POL-19": errorsFromHere, "POL-29": cancels, "POL-32": lowestIndex, "POL-33": mapWithin,
	} {
		t.Run(name, f)
	}
}

// upTo returns 0 up to n-1.
func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func squaresTo(n int) []int {
	list := upTo(n)
	for i, x := range list {
		list[i] = x * x
	}
	return list
}

// gather takes all that a stream yields.
func gather(t *testing.T, seq iter.Seq2[int, error]) (list []int, errs []error) {
	t.Helper()
	for x, err := range seq {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, x)
	}
	return list, errs
}

func callOnce(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	if x, err := square.Call(deadline(t), p, 5); x != 25 || err != nil {
		t.Error(x, err)
	}
	b, err := repeat.Call(deadline(t), p, repetition{Text: []byte("ab"), Times: 2}) // several arguments are a struct
	if string(b) != "abab" || err != nil {
		t.Error(string(b), err)
	}
}

func mapsInOrder(t *testing.T) {
	for _, opts := range []*pool.Options{{Workers: 4}, {Workers: 4, Chunk: 20}} {
		p := mustNew(t, opts)
		for _, n := range []int{10, 100} {
			if out, err := square.Map(deadline(t), p, upTo(n)); err != nil || !slices.Equal(out, squaresTo(n)) {
				t.Error(n, out, err)
			}
		}
	}
}

// What cannot be encoded, or has no layout, is an error at once.
func cannotTravel(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	if _, err := takesFunc.Call(deadline(t), p, func() {}); !errors.Is(err, shm.ErrType) {
		t.Error(err)
	}
	if _, err := takesFunc.Map(deadline(t), p, []func(){nil, nil}); !errors.Is(err, shm.ErrType) {
		t.Error(err)
	}
	if _, err := takesText.Map(deadline(t), p, []unwilling{{"a"}, {"no"}, {"b"}}); !errors.Is(err, errOdd) {
		t.Error(err)
	}
	if x, err := square.Call(deadline(t), p, 3); x != 9 || err != nil {
		t.Error("afterwards:", x, err)
	}
}

// unwilling refuses to be encoded, or to be decoded.
type unwilling struct{ Text string }

func (u unwilling) MarshalBinary() ([]byte, error) {
	if u.Text == "no" {
		return nil, errOdd
	}
	return []byte(u.Text), nil
}

func (u *unwilling) UnmarshalBinary(b []byte) error {
	if u.Text = string(b); u.Text == "not there" {
		return errOdd
	}
	return nil
}

var (
	takesFunc = pool.Func("takesFunc", func(context.Context, func()) (int, error) { return 0, nil })
	takesText = pool.Func("takesText", func(_ context.Context, u unwilling) (string, error) { return u.Text, nil })
)

func noElements(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	if out, err := square.Map(deadline(t), p, nil); len(out) != 0 || err != nil {
		t.Error(out, err)
	}
	for _, f := range []func(context.Context, *pool.Pool, iter.Seq[int]) iter.Seq2[int, error]{square.Stream, square.StreamUnordered} {
		if list, errs := gather(t, f(deadline(t), p, slices.Values([]int{}))); len(list)+len(errs) != 0 {
			t.Error(list, errs)
		}
	}
}

func streamsInOrder(t *testing.T) {
	for _, n := range []int{10, 1000} {
		p := mustNew(t, &pool.Options{Workers: 3, Chunk: n / 10})
		if list, errs := gather(t, square.Stream(deadline(t), p, slices.Values(upTo(n)))); !slices.Equal(list, squaresTo(n)) || errs != nil {
			t.Error(n, list, errs)
		}
	}
}

func streamsAsTheyEnd(t *testing.T) {
	for _, n := range []int{10, 1000} {
		p := mustNew(t, &pool.Options{Workers: 3, Chunk: n / 10})
		list, errs := gather(t, square.StreamUnordered(deadline(t), p, slices.Values(upTo(n))))
		slices.Sort(list)
		if !slices.Equal(list, squaresTo(n)) || errs != nil {
			t.Error(n, list, errs)
		}
	}
}

// An input that panics ends the loop with its panic; what came before is no
// more than there was, and nothing twice.
func streamsUntilBroken(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	seen := map[int]bool{}
	func() {
		defer func() {
			if got := recover(); fmt.Sprint(got) != "no more" {
				t.Errorf("panic %v", got)
			}
		}()
		for x, err := range square.StreamUnordered(deadline(t), p, func(yield func(int) bool) {
			for i := range 10 {
				if !yield(i) {
					return
				}
			}
			panic("no more")
		}) {
			if err != nil || seen[x] || !slices.Contains(squaresTo(10), x) {
				t.Error(x, err)
			}
			seen[x] = true
		}
		t.Error("the loop has ended")
	}()
	if x, err := square.Call(deadline(t), p, 3); x != 9 || err != nil {
		t.Error("afterwards:", x, err)
	}
}

func errorOfAnElement(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	var got []string
	for x, err := range halve.Stream(deadline(t), p, slices.Values([]int{0, 1, 4, 6})) {
		got = append(got, fmt.Sprint(x, errors.Is(err, errOdd)))
	}
	if want := []string{"0 false", "0 true", "2 false", "3 false"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func getWithin(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	if x, err := square.Go(deadline(t), p, 7).Get(deadline(t)); x != 49 || err != nil {
		t.Error(x, err)
	}
	ctx, stop := context.WithCancel(deadline(t))
	f := behave.Go(ctx, p, "wait")
	for _, d := range []time.Duration{-time.Second, 0, 20 * time.Millisecond} {
		start := time.Now()
		short, cancel := context.WithTimeout(deadline(t), d)
		_, err := f.Get(short)
		cancel()
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < d {
			t.Errorf("Get: %v after %v, want the deadline after %v", err, took, d)
		}
	}
	select {
	case <-f.Done():
		t.Error("the task has ended by Get")
	default:
	}
	stop()
	if _, err := f.Get(deadline(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func readyAndAgain(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	good, bad := halve.Go(deadline(t), p, 4), halve.Go(deadline(t), p, 5)
	<-good.Done()
	<-bad.Done()
	for range 2 {
		if x, err := good.Get(deadline(t)); x != 2 || err != nil {
			t.Error(x, err)
		}
		if _, err := bad.Get(deadline(t)); !errors.Is(err, errOdd) {
			t.Error(err)
		}
	}
}

func impossibleOptions(t *testing.T) {
	for _, opts := range []pool.Options{{Workers: -1}, {TasksPerWorker: -1}, {Chunk: -1}, {Retries: -1}, {Grace: -1}} {
		if p, err := pool.New(deadline(t), &opts); p != nil || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v, %v", opts, p, err)
		}
	}
	if n := len(process.Children()); n != 0 {
		t.Errorf("%d children are left", n)
	}
}

func chunksOfAnySize(t *testing.T) {
	for _, chunk := range []int{1, 3, 7, 20, 21, 1000} {
		p := mustNew(t, &pool.Options{Workers: 2, Chunk: chunk})
		if out, err := square.Map(deadline(t), p, upTo(20)); err != nil || !slices.Equal(out, squaresTo(20)) {
			t.Error(chunk, out, err)
		}
	}
}

func errorsFromAfar(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	worker := p.Workers()[0].PID()
	_, err := behave.Call(deadline(t), p, "fail")
	remote, ok := errors.AsType[*process.RemoteError](err)
	if !ok || remote.Type != "*fmt.wrapError" || remote.Message != "it went wrong: unexpected EOF" || remote.PID != worker || remote.Panic {
		t.Errorf("%#v", err)
	}
	_, err = behave.Call(deadline(t), p, "index")
	remote, ok = errors.AsType[*process.RemoteError](err)
	if !ok || !remote.Panic || !strings.Contains(remote.Stack, "pool_test.do(") || !strings.Contains(remote.Stack, "functions_test.go:") {
		t.Errorf("%#v", err)
	}
}

func sentinels(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	if _, err := halve.Call(deadline(t), p, 3); !errors.Is(err, errOdd) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if _, err := behave.Call(deadline(t), p, "fail"); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errOdd) {
		t.Error(err)
	}
}

// An error of this side does not pretend to come from the other.
func errorsFromHere(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	_, err := takesText.Call(deadline(t), p, unwilling{"no"})
	if remote, ok := errors.AsType[*process.RemoteError](err); ok || !errors.Is(err, errOdd) {
		t.Error(remote, err)
	}
}

func cancels(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1, Chunk: 1})
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	done := square.Go(deadline(t), p, 2)
	<-done.Done()
	arrived, gate := atGate(t)
	running := meet.Go(ctx, p, meeting{Arrived: arrived, Gate: gate})
	if _, err := arrived.Wait(deadline(t), func(n int64) bool { return n == 1 }); err != nil {
		t.Fatal(err)
	}
	if running.Cancel() {
		t.Error("a task that runs was cancelled")
	}
	pending := make([]*pool.Future[int], 100) // more than a worker has ahead
	for i := range pending {
		pending[i] = square.Go(deadline(t), p, i)
	}
	last := pending[len(pending)-1]
	if !last.Cancel() {
		t.Error("a task that has not begun cannot be cancelled")
	}
	if _, err := last.Get(deadline(t)); !errors.Is(err, pool.ErrCanceled) {
		t.Error(err)
	}
	if done.Cancel() || last.Cancel() {
		t.Error("what has ended was cancelled")
	}
	stop()
	if _, err := running.Get(deadline(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for i, f := range pending[:len(pending)-1] {
		if x, err := f.Get(deadline(t)); x != i*i || err != nil {
			t.Fatal(i, x, err)
		}
	}
}

func lowestIndex(t *testing.T) {
	for _, chunk := range []int{0, 1, 2} {
		p := mustNew(t, &pool.Options{Workers: 2, Chunk: chunk})
		out, err := halve.Map(deadline(t), p, []int{2, 4, 3, 5})
		if !errors.Is(err, errOdd) || !strings.Contains(err.Error(), "halving 3") || len(out) != 4 || out[0] != 1 || out[1] != 2 {
			t.Error(chunk, out, err)
		}
	}
}

func mapWithin(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2, Chunk: 1})
	start := time.Now()
	ctx, cancel := context.WithTimeout(deadline(t), 200*time.Millisecond)
	defer cancel()
	if _, err := nap.Map(ctx, p, []int{1, 1, 600_000}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 200*time.Millisecond {
		t.Error(err, time.Since(start))
	}
	n := 0
	ctx, cancel = context.WithCancel(deadline(t))
	defer cancel()
	for x, err := range nap.Stream(ctx, p, slices.Values([]int{1, 2, 600_000})) {
		if n++; n == 2 {
			cancel()
		}
		if n <= 2 && (x != n || err != nil) || n > 2 && !errors.Is(err, context.Canceled) {
			t.Errorf("pair %d: %d, %v", n, x, err)
		}
	}
	if n != 3 {
		t.Errorf("%d pairs", n)
	}
	if x, err := square.Call(deadline(t), p, 3); x != 9 || err != nil {
		t.Error("afterwards:", x, err)
	}
}
