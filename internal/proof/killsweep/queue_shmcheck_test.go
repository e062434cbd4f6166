//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

type queueWorld struct {
	seg *shm.Segment
	q   *queue.Queue[[]byte]
	// size is that of the victim's message, and of the first one in the queue.
	size int
}

func queueStages() []*stage {
	var list []*stage
	for _, size := range sizes {
		list = append(list, queueStage(fmt.Sprintf("queue of %d bytes", size), size))
	}
	last := queueStage("queue at its end", sizes[0])
	last.fresh = true // there is no way back
	last.operations = endOperations()
	last.peers = nil
	return append(list, last)
}

func queueStage(name string, size int) *stage {
	return &stage{
		name: name,
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := queue.Create[[]byte](ctx, seg, "q", queueSpec)
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			q, err := queue.Open[[]byte](ctx, p.seg, "q")
			return &queueWorld{p.seg, q, size}, err
		},
		deep:       size == sizes[len(sizes)-1],
		peers:      []string{"PutFunc, short", "TryGet", "Receive and Ack"},
		operations: withWaiters(slices.Concat(putOperations(), getOperations(), lendOperations())),
	}
}

// withWaiters adds to operations that begin with an empty queue the same with
// another process that waits in Get, and to those that begin with a full one the
// same with one that waits in Put.
func withWaiters(list []*operation) []*operation {
	all := list
	for _, o := range list {
		if o.relief != nil || o.begin != line() && o.begin != line("a", "b", "c") {
			continue
		}
		with := *o
		with.name += ", another waits"
		with.light, with.variant = true, true
		with.beside, with.relief = "Get, empty", another()
		if o.begin != line() {
			with.beside, with.relief = "Put, waiting", taken()
		}
		if o.name != "Put, waiting" {
			all = append(all, &with)
		}
	}
	return all
}

// another is the survivor's message, for who waits in Get.
func another() *relief {
	return &relief{moves: []move{enqueues("r")}, do: relieve(func(ctx context.Context, w queueOf) error {
		return w.q.Put(ctx, text("r", sizes[0]))
	})}
}

// taken makes room, for who waits in Put.
func taken() *relief {
	return &relief{moves: []move{receives, acknowledges}, do: relieve(func(ctx context.Context, w queueOf) error {
		_, err := w.q.Get(ctx)
		return err
	})}
}

type queueOf = *queueWorld

func putOperations() []*operation {
	type c = context.Context
	one := []move{enqueues("v")}
	put := quietly(func(ctx c, w queueOf) error { return w.q.Put(ctx, text("v", w.size)) })
	return []*operation{
		{name: "Put", covers: names("queue.Queue.Put"), begin: line(), moves: one, do: put},
		{name: "Put, full", covers: names("queue.Queue.Put"), begin: line("a", "b", "c"), moves: one, relief: taken(), do: put},
		{
			name: "TryPut", covers: names("queue.Queue.TryPut"), begin: line(), moves: one,
			do: quietly(func(_ c, w queueOf) error { return w.q.TryPut(text("v", w.size)) }),
		},
		{
			name: "PutBatch", covers: names("queue.Queue.PutBatch"), begin: line(), moves: []move{enqueues("v"), enqueues("w")},
			do: quietly(func(ctx c, w queueOf) error {
				_, err := w.q.PutBatch(ctx, [][]byte{text("v", w.size), text("w", sizes[0])})
				return err
			}),
		},
		{
			name: "PutFunc", covers: names("queue.Queue.PutFunc"), begin: line(), moves: one,
			do: quietly(func(ctx c, w queueOf) error { return w.q.PutFunc(ctx, w.builds("v", w.size)) }),
		},
		{
			name: "PutFunc, short", covers: names("queue.Queue.PutFunc"), begin: line(), moves: one, light: true, variant: true,
			do: quietly(func(ctx c, w queueOf) error { return w.q.PutFunc(ctx, w.builds("v", sizes[0])) }),
		},
		{
			name: "Reserve and Publish", covers: names("queue.Queue.Reserve queue.Loan.Publish queue.Loan.Value"), begin: line(), moves: one,
			do: quietly(func(ctx c, w queueOf) error {
				l, err := w.q.Reserve(ctx)
				if err != nil {
					return err
				}
				_ = w.builds("v", w.size)(l.Value())
				return l.Publish()
			}),
		},
		{
			name: "TryReserve and Abandon", covers: names("queue.Queue.TryReserve queue.Loan.Abandon"), begin: line(), moves: []move{stays},
			do: quietly(func(_ c, w queueOf) error {
				l, err := w.q.TryReserve()
				l.Abandon()
				return err
			}),
		},
	}
}

// builds returns what PutFunc calls: it makes a message in place, or another one.
func (w *queueWorld) builds(name string, size int) func(*[]byte) error {
	return func(x *[]byte) error {
		if b := text(name, size); len(b) <= len(*x) {
			*x = (*x)[:copy(*x, b)]
		} else {
			*x = b
		}
		return nil
	}
}

func getOperations() []*operation {
	type c = context.Context
	three := line("a", "b", "c")
	takes := []move{receives, acknowledges}
	get := on(func(ctx c, w queueOf) (string, error) {
		b, err := w.q.Get(ctx)
		return nameOf(b), err
	})
	return []*operation{
		{name: "Get", covers: names("queue.Queue.Get"), begin: three, moves: takes, dies: returns, do: get},
		{name: "Get, empty", covers: names("queue.Queue.Get"), begin: line(), moves: takes, dies: returns, relief: another(), do: get},
		{
			name: "Put, waiting", covers: names("queue.Queue.Put"), begin: line(), moves: []move{enqueues("u")}, light: true,
			do: quietly(func(ctx c, w queueOf) error { return w.q.Put(ctx, text("u", sizes[0])) }),
		},
		{
			name: "TryGet", covers: names("queue.Queue.TryGet"), begin: three, dies: returns,
			moves: []move{func(state, me string) []turn {
				if t := receives(state, me); t != nil {
					return t
				}
				return []turn{{state: state, said: "empty", over: true}}
			}, acknowledges},
			do: on(func(_ c, w queueOf) (string, error) {
				b, err := w.q.TryGet()
				if errors.Is(err, queue.ErrEmpty) {
					return "empty", nil
				}
				return nameOf(b), err
			}),
		},
		{
			name: "GetBatch", covers: names("queue.Queue.GetBatch"), begin: three, moves: []move{receives, acknowledges, receives, acknowledges}, dies: returns,
			do: on(func(ctx c, w queueOf) (string, error) {
				list := make([][]byte, 2)
				n, err := w.q.GetBatch(ctx, list)
				if n != 2 {
					return "", errors.Join(err, fmt.Errorf("%d messages", n))
				}
				return nameOf(list[1]), err
			}),
		},
		{
			name: "All", covers: names("queue.Queue.All"), begin: three, moves: takes, dies: returns,
			do: on(func(ctx c, w queueOf) (string, error) {
				for b, err := range w.q.All(ctx) {
					return nameOf(b), err
				}
				return "", nil
			}),
		},
		{
			name: "Len", covers: names("queue.Queue.Len queue.Queue.Cap"), begin: three, moves: []move{stays},
			do: quietly(func(_ c, w queueOf) error {
				if n := w.q.Len(); n > w.q.Cap() {
					return fmt.Errorf("%d messages", n)
				}
				return nil
			}),
		},
	}
}

func lendOperations() []*operation {
	type c = context.Context
	three := line("a", "b", "c")
	lent := prior(func(ctx c, w queueOf) error {
		_, err1 := w.q.Receive(ctx)
		_, err2 := w.q.Receive(ctx)
		return errors.Join(err1, err2)
	})
	having := queueState{line: []string{"c"}, v: []string{"a", "b"}}.String()
	return []*operation{
		{
			name: "Receive", covers: names("queue.Queue.Receive queue.Delivery.Value queue.Delivery.Attempt"), begin: three, moves: []move{receives, receives}, dies: returns,
			do: quietly(func(ctx c, w queueOf) error {
				d, err1 := w.q.Receive(ctx)
				_, err2 := w.q.Receive(ctx)
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
				// Another process may be about to take the first one.
				if n := nameOf(*d.Value()); (n != "a" && n != "b") || d.Attempt() != 1 {
					return fmt.Errorf("attempt %d of %s comes first", d.Attempt(), n)
				}
				return nil
			}),
		},
		{
			name: "Receive and Ack", covers: names("queue.Queue.Receive queue.Delivery.Ack"), begin: three, moves: []move{receives, acknowledges}, dies: returns,
			do: on(func(ctx c, w queueOf) (string, error) {
				d, err := w.q.Receive(ctx)
				if err != nil {
					return "", err
				}
				return nameOf(*d.Value()), d.Ack()
			}),
		},
		{
			name: "TryReceive and Nack", covers: names("queue.Queue.TryReceive queue.Delivery.Nack"), begin: three, moves: []move{receives, returns}, dies: returns,
			do: quietly(func(_ c, w queueOf) error {
				d, err := w.q.TryReceive()
				d.Nack()
				return err
			}),
		},
		{
			name: "Deliveries", covers: names("queue.Queue.Deliveries"), begin: three, moves: []move{receives}, dies: returns, light: true,
			do: quietly(func(ctx c, w queueOf) error {
				for _, err := range w.q.Deliveries(ctx) {
					return err
				}
				return nil
			}),
		},
		{
			name: "GetFunc", covers: names("queue.Queue.GetFunc"), begin: three, moves: []move{receives, acknowledges}, dies: returns,
			do: on(func(ctx c, w queueOf) (said string, err error) {
				err = w.q.GetFunc(ctx, func(b *[]byte) error {
					said = nameOf(*b)
					return nil
				})
				return said, err
			}),
		},
		{
			name: "GetFunc, in vain", covers: names("queue.Queue.GetFunc"), begin: three, moves: []move{receives, returns}, dies: returns, light: true,
			do: quietly(func(ctx c, w queueOf) error {
				regret := errors.New("regret")
				if err := w.q.GetFunc(ctx, func(*[]byte) error { return regret }); !errors.Is(err, regret) {
					return err
				}
				return nil
			}),
		},
		{
			name: "Close, with deliveries", covers: names("shm.Segment.Close"), begin: three, before: lent, from: having,
			moves: []move{returns}, dies: returns, everywhere: true, light: true,
			do: quietly(func(_ c, w queueOf) error { return w.seg.Close() }),
		},
		{
			name: "Close, with a loan", covers: names("shm.Segment.Close"), begin: line(), moves: []move{stays}, everywhere: true, light: true,
			before: prior(func(ctx c, w queueOf) error {
				_, err := w.q.Reserve(ctx)
				return err
			}),
			do: quietly(func(_ c, w queueOf) error { return w.seg.Close() }),
		},
		{
			name: "Join", covers: names("queue.Queue.Join"), begin: line("a"),
			moves: []move{func(state, _ string) []turn {
				if s := parseQueue(state); len(s.line)+len(s.p) > 0 {
					return nil
				}
				return []turn{{state: state}}
			}},
			relief: taken(),
			do:     quietly(func(ctx c, w queueOf) error { return w.q.Join(ctx) }),
		},
		{
			name: "Ready", covers: names("queue.Queue.Ready"), begin: three, moves: []move{stays}, everywhere: true,
			do: quietly(func(ctx c, w queueOf) error {
				select {
				case <-w.q.Ready():
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}),
		},
	}
}

// endOperations end a queue.
func endOperations() []*operation {
	type c = context.Context
	shuts := func(state, _ string) []turn {
		s := parseQueue(state)
		s.over = true
		return []turn{{state: s.String()}}
	}
	shutdown := quietly(func(_ c, w queueOf) error { return w.q.Shutdown() })
	return []*operation{
		{name: "Shutdown", covers: names("queue.Queue.Shutdown"), begin: line("a", "b"), moves: []move{shuts}, do: shutdown},
		{
			name: "Shutdown, another waits", covers: names("queue.Queue.Shutdown"), begin: line(), moves: []move{shuts}, beside: "Get, at the end",
			relief: &relief{moves: []move{shuts}, do: relieve(func(_ c, w queueOf) error { return w.q.Shutdown() })}, do: shutdown,
		},
		{
			name: "Get, at the end", covers: names("queue.Queue.Get"), begin: line(),
			moves: []move{func(state, _ string) []turn {
				if !parseQueue(state).over {
					return nil
				}
				return []turn{{state: state, said: "shut down"}}
			}},
			relief: &relief{moves: []move{shuts}, do: relieve(func(_ c, w queueOf) error { return w.q.Shutdown() })},
			do: on(func(ctx c, w queueOf) (string, error) {
				if _, err := w.q.Get(ctx); !errors.Is(err, queue.ErrShutdown) {
					return "", fmt.Errorf("Get returns %w", err)
				}
				return "shut down", nil
			}),
		},
	}
}

func (w *queueWorld) begin(ctx context.Context, state string) error {
	for i, name := range parseQueue(state).line {
		size := w.size
		if i > 0 {
			size = sizes[0] // there is room for only one of the longest
		}
		if err := w.q.Put(ctx, text(name, size)); err != nil {
			return err
		}
	}
	return nil
}

// state empties the queue.
func (w *queueWorld) state(context.Context) (string, error) {
	var s queueState
	for {
		d, err := w.q.TryReceive()
		switch {
		case errors.Is(err, queue.ErrShutdown):
			s.over = true
			return s.String(), nil
		case errors.Is(err, queue.ErrEmpty):
			if l, err := w.q.TryReserve(); errors.Is(err, queue.ErrShutdown) {
				s.over = true
			} else {
				l.Abandon()
			}
			return s.String(), nil
		case err != nil:
			return "", err
		}
		s.line = append(s.line, nameOf(*d.Value())+strings.Repeat("'", d.Attempt()-1))
		if err := d.Ack(); err != nil {
			return "", err
		}
	}
}

// work verifies that the queue is as good as new: there is room for all that
// there was room for at the beginning, and it comes out in order.
func (w *queueWorld) work(ctx context.Context) error {
	if l, err := w.q.TryReserve(); errors.Is(err, queue.ErrShutdown) {
		return nil
	} else if err != nil {
		return err
	} else {
		l.Abandon()
	}
	for _, size := range sizes {
		for i, name := range []string{"x", "y", "z"} {
			if i > 0 {
				size = sizes[0]
			}
			if err := w.q.TryPut(text(name, size)); err != nil {
				return fmt.Errorf("message %s: %w", name, err)
			}
		}
		if err := w.q.TryPut(text("n", sizes[0])); !errors.Is(err, queue.ErrFull) {
			return fmt.Errorf("a full queue: TryPut returns %w", err)
		}
		if state, err := w.state(ctx); err != nil || state != line("x", "y", "z") {
			return fmt.Errorf("put x y z and found %s, %w", state, err)
		}
	}
	return w.q.Join(ctx)
}
