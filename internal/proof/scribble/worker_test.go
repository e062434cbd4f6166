package scribble_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// spec is the geometry of the segment: room to grow, but not without end.
var spec = shm.Spec{Size: 1 << 20, MaxSize: 4 << 20, Participants: participants, Lifetime: shm.Persistent}

// worker uses a segment in every way, until it is told to stop.
type worker struct {
	*overseer
	r       *rand.Rand
	dir     string
	planted string
	stopped <-chan struct{}
}

// work is the role of a worker: directory, seed, patience, and the fault that is
// planted or "".
func work(args []string) {
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	patience, _ := time.ParseDuration(args[2])
	stopped := untilStopped()
	var all sync.WaitGroup
	var calls, good, segments atomic.Int64
	for i := range uint64(2) {
		w := &worker{
			overseer: oversee(patience), r: rand.New(rand.NewPCG(seed, i)),
			dir: args[0], planted: args[3], stopped: stopped,
		}
		all.Go(func() {
			for !w.over() {
				w.use()
				segments.Add(1)
			}
			calls.Add(int64(w.calls))
			good.Add(int64(w.good))
		})
	}
	all.Wait()
	if args[3] != truncated {
		beyond()
	}
	say("calls %d %d %d", calls.Load(), good.Load(), segments.Load())
}

// beyond ends the process if it has touched memory behind the end of the file,
// which nobody truncates here: the guard hides such a fault.
func beyond() {
	if n := sys.GuardHits(); n > 0 {
		(&overseer{}).fail(exitBeyond, "touched memory behind the end of the file %d times", n)
	}
}

func (w *worker) over() bool {
	select {
	case <-w.stopped:
		return true
	default:
		return false
	}
}

func (w *worker) options() *shm.Options { return &shm.Options{Dir: w.dir} }

// soon returns a context that ends soon.
func (w *worker) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(w.r.IntN(6000))*time.Microsecond)
}

// use opens the segment, does much there, and closes it.
func (w *worker) use() {
	var seg *shm.Segment
	if !w.do("OpenOrCreate", func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		seg, err = shm.OpenOrCreate(ctx, segmentName, spec, w.options())
		return err
	}) {
		runtime.Gosched()
		return
	}
	wall(w.dir)
	steps := w.segmentSteps(seg)
	for _, m := range makers() {
		w.do("open "+m.name, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			more, err := m.make(ctx, seg)
			steps = append(steps, more...)
			return err
		})
	}
	if w.planted != "" && w.planted != truncated {
		steps = w.plant(seg, steps)
	}
	for range 50 + w.r.IntN(400) {
		if w.over() {
			break
		}
		s := steps[w.r.IntN(len(steps))]
		ctx, cancel := w.soon()
		w.do(s.name, func() error { return s.do(ctx) })
		cancel()
	}
	w.do("Close", seg.Close)
	if s := steps[w.r.IntN(len(steps))]; len(steps) > 1 { // after Close
		ctx, cancel := w.soon()
		w.do(s.name, func() error { return s.do(ctx) })
		cancel()
	}
	if w.r.IntN(4) == 0 {
		w.do("GC", func() error { runtime.GC(); return nil })
	}
}

// segmentSteps are what can be done with the segment itself.
func (w *worker) segmentSteps(seg *shm.Segment) []step {
	steps := lookingSteps(seg)
	return append(steps, []step{
		{"create and remove", func(ctx context.Context) error {
			name := "new" + strconv.Itoa(w.r.IntN(4))
			_, err := array.Create[byte](ctx, seg, name, array.Spec{Len: 1 + w.r.IntN(300<<10)})
			return errors.Join(err, seg.Remove(ctx, name))
		}},
		{"remove", func(ctx context.Context) error {
			if w.r.IntN(20) > 0 {
				return nil
			}
			list := makers()
			return seg.Remove(ctx, list[w.r.IntN(len(list))].name)
		}},
		{"text", func(context.Context) error {
			text, err := seg.MarshalText()
			if err == nil {
				err = new(shm.Segment).UnmarshalText(text)
			}
			return err
		}},
		{"open twice", func(ctx context.Context) error {
			again, err := shm.Open(ctx, segmentName, w.options())
			if err == nil {
				err = again.Close()
			}
			return err
		}},
		{"lock of another handle", func(ctx context.Context) error {
			m, err := lock.OpenOrCreateMutex(ctx, seg, "new/mutex", lock.Spec{})
			if err == nil {
				err = m.Do(ctx, func() error { return nil })
			}
			return err
		}},
		{"prune", func(ctx context.Context) error { return drop(shm.Prune(ctx, w.options())) }},
		{"list", func(context.Context) error { return drop(shm.List(w.options())) }},
	}...)
}

// lookingSteps are those that also who looks may do.
func lookingSteps(seg *shm.Segment) []step {
	return []step{
		{"Stat", func(context.Context) error { return drop(seg.Stat()) }},
		{"Participants", func(context.Context) error { return drop(seg.Participants()) }},
		{"Objects", func(context.Context) error { return drop(seg.Objects()) }},
		{"Holds", func(context.Context) error { return drop(seg.Holds()) }},
		{"Check", func(context.Context) error { return seg.Check() }},
		{"Deaths", func(ctx context.Context) error {
			for d, err := range seg.Deaths(ctx) {
				if err != nil {
					return err
				}
				_ = d.String()
			}
			return nil
		}},
	}
}

// lookOn is the role of a process that opens the segment to look only: as a
// worker's arguments.
func lookOn(args []string) {
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	patience, _ := time.ParseDuration(args[2])
	w := &worker{overseer: oversee(patience), r: rand.New(rand.NewPCG(seed, 9)), dir: args[0], stopped: untilStopped()}
	segments := 0
	for ; !w.over(); segments++ {
		w.look()
	}
	if args[3] != truncated {
		beyond()
	}
	say("calls %d %d %d", w.calls, w.good, segments)
}

func (w *worker) look() {
	var seg *shm.Segment
	if !w.do("Open", func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		seg, err = shm.Open(ctx, segmentName, &shm.Options{Dir: w.dir, ReadOnly: true})
		return err
	}) {
		runtime.Gosched()
		return
	}
	wall(w.dir)
	steps := lookingSteps(seg)
	for _, m := range makers() {
		if m.name == "bytes" || strings.HasPrefix(m.name, "semaphore") {
			continue // these fail on a segment that is only read, or have nothing to read
		}
		w.do("open "+m.name, func() error {
			ctx, cancel := w.soon()
			defer cancel()
			more, err := m.make(ctx, seg)
			steps = append(steps, more...)
			return err
		})
	}
	for range 50 {
		s := steps[w.r.IntN(len(steps))]
		ctx, cancel := w.soon()
		w.do(s.name, func() error { return s.do(ctx) })
		cancel()
	}
	w.do("Close", seg.Close)
}

// plant adds an operation with a fault that must be found, on the first element
// of the array, which is all that is written to then.
func (w *worker) plant(seg *shm.Segment, steps []step) []step {
	a, err := array.Open[int64](context.Background(), seg, "array")
	if err != nil {
		return steps
	}
	v := a.View()
	switch w.planted {
	case "double fetch":
		return []step{{"planted: double fetch", func(context.Context) error {
			var room [64]byte
			for range 10000 {
				if n := atomic.LoadInt64(&v[0]); n < 0 || n > int64(len(room)) {
					return errNo
				}
				_ = room[:atomic.LoadInt64(&v[0])]
			}
			return nil
		}}}
	default:
		return []step{{"planted: waits for sense", func(context.Context) error {
			for atomic.LoadInt64(&v[0]) > 64 || atomic.LoadInt64(&v[0]) < 0 {
				runtime.Gosched()
			}
			return nil
		}}}
	}
}
