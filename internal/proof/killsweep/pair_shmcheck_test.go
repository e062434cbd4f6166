//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// pairStages are SPSC queues. The victim has both roles, and is alone on both
// sides, when it comes to what it is killed in; the survivor takes them over.
func pairStages() []*stage {
	spec := queueSpec
	spec.Mode = queue.SPSC
	var list []*stage
	for _, size := range sizes[:2] {
		list = append(list, &stage{
			name:  fmt.Sprintf("SPSC queue of %d bytes", size),
			fresh: true, // who has a role has it until the end
			make: func(ctx context.Context, seg *shm.Segment) error {
				_, err := queue.Create[[]byte](ctx, seg, "q", spec)
				return err
			},
			open: func(ctx context.Context, p place) (world, error) {
				q, err := queue.Open[[]byte](ctx, p.seg, "q")
				return &queueWorld{p.seg, q, size}, err
			},
			operations: pairOperations(),
		})
	}
	return list
}

// alone has the victim take both roles, and put these messages.
func alone(messages ...string) func(context.Context, world) error {
	return prior(func(ctx context.Context, w queueOf) error {
		for range 2 {
			if err := w.q.Put(ctx, text("w", sizes[0])); err != nil {
				return err
			}
			if _, err := w.q.Get(ctx); err != nil {
				return err
			}
		}
		for i, name := range messages {
			size := w.size
			if i > 0 {
				size = sizes[0]
			}
			if err := w.q.Put(ctx, text(name, size)); err != nil {
				return err
			}
		}
		return nil
	})
}

func pairOperations() []*operation {
	type c = context.Context
	three := line("a", "b", "c")
	takes := []move{receives, acknowledges}
	puts := alone()
	gets := alone("a", "b", "c")
	list := []*operation{
		{
			name: "Put", covers: names("queue.Queue.Put"), before: puts, moves: []move{enqueues("v")},
			do: quietly(func(ctx c, w queueOf) error { return w.q.Put(ctx, text("v", w.size)) }),
		},
		{
			name: "Put, first of all", covers: names("queue.Queue.Put"), moves: []move{enqueues("v")},
			do: quietly(func(ctx c, w queueOf) error { return w.q.Put(ctx, text("v", w.size)) }),
		},
		{
			name: "PutBatch", covers: names("queue.Queue.PutBatch"), before: puts, moves: []move{enqueues("v"), enqueues("w"), enqueues("x")},
			do: quietly(func(ctx c, w queueOf) error {
				_, err := w.q.PutBatch(ctx, [][]byte{text("v", w.size), text("w", sizes[0]), text("x", sizes[0])})
				return err
			}),
		},
		{
			name: "Reserve and Publish", covers: names("queue.Queue.Reserve queue.Loan.Publish"), before: puts, moves: []move{enqueues("v")},
			do: quietly(func(ctx c, w queueOf) error { return w.q.PutFunc(ctx, w.builds("v", w.size)) }),
		},
		{
			name: "Get", covers: names("queue.Queue.Get"), before: gets, from: three, moves: takes, dies: returns,
			do: on(func(ctx c, w queueOf) (string, error) {
				b, err := w.q.Get(ctx)
				return nameOf(b), err
			}),
		},
		{
			name: "GetBatch", covers: names("queue.Queue.GetBatch"), before: gets, from: three, moves: slices.Concat(takes, takes), dies: returns,
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
			name: "Receive and Ack", covers: names("queue.Queue.Receive queue.Delivery.Ack"), before: gets, from: three, moves: takes, dies: returns,
			do: on(func(ctx c, w queueOf) (string, error) {
				d, err := w.q.Receive(ctx)
				if err != nil {
					return "", err
				}
				return nameOf(*d.Value()), d.Ack()
			}),
		},
		{
			name: "Close", covers: names("shm.Segment.Close"), before: gets, from: three, moves: []move{stays}, everywhere: true, light: true,
			do: quietly(func(_ c, w queueOf) error { return w.seg.Close() }),
		},
	}
	for _, o := range list {
		o.begin = line()
	}
	return list
}

// pairWorld is a queue of single bytes, which are messages of a fixed layout.
type pairWorld struct{ q *queue.Queue[[1]byte] }

func runStages() []*stage { return []*stage{runStage(queue.SPSC), runStage(queue.MPMC)} }

// runStage is a queue whose batches are runs of slots.
func runStage(mode queue.Mode) *stage {
	type c = context.Context
	type w = *pairWorld
	of := func(names ...string) (list [][1]byte) {
		for _, n := range names {
			list = append(list, [1]byte{n[0]})
		}
		return list
	}
	warm := func(messages ...string) func(c, world) error {
		return prior(func(ctx c, w w) error {
			for range 2 {
				err1 := w.q.Put(ctx, [1]byte{'w'})
				_, err2 := w.q.Get(ctx)
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
			}
			_, err := w.q.PutBatch(ctx, of(messages...))
			return err
		})
	}
	takes := []move{receives, acknowledges}
	return &stage{
		name:  mode.String() + " queue of single bytes",
		fresh: true,
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := queue.Create[[1]byte](ctx, seg, "q", queue.Spec{Cap: queueSpec.Cap, Mode: mode})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			q, err := queue.Open[[1]byte](ctx, p.seg, "q")
			return &pairWorld{q}, err
		},
		operations: []*operation{
			{
				name: "PutBatch", covers: names("queue.Queue.PutBatch"), begin: line(), before: warm(), moves: []move{enqueues("v"), enqueues("x")},
				do: quietly(func(ctx c, w w) error { _, err := w.q.PutBatch(ctx, of("v", "x")); return err }),
			},
			{
				name: "GetBatch", covers: names("queue.Queue.GetBatch"), begin: line(), before: warm("a", "b"), from: line("a", "b"), moves: slices.Concat(takes, takes), dies: returns,
				do: on(func(ctx c, w w) (string, error) {
					list := make([][1]byte, 2)
					n, err := w.q.GetBatch(ctx, list)
					if n == 1 { // the ring has an end
						_, err = w.q.GetBatch(ctx, list[1:])
					}
					return string(list[1][:]), err
				}),
			},
		},
	}
}

func (w *pairWorld) begin(context.Context, string) error { return nil }

// state empties the queue.
func (w *pairWorld) state(context.Context) (string, error) {
	var s queueState
	for {
		d, err := w.q.TryReceive()
		if errors.Is(err, queue.ErrEmpty) {
			return s.String(), nil
		}
		if err != nil {
			return "", err
		}
		name := string(d.Value()[:])
		for range d.Attempt() - 1 {
			name += "'"
		}
		s.line = append(s.line, name)
		if err := d.Ack(); err != nil {
			return "", err
		}
	}
}

func (w *pairWorld) work(ctx context.Context) error {
	for _, name := range []string{"x", "y", "z"} {
		if err := w.q.TryPut([1]byte{name[0]}); err != nil {
			return fmt.Errorf("message %s: %w", name, err)
		}
	}
	if err := w.q.TryPut([1]byte{'n'}); !errors.Is(err, queue.ErrFull) {
		return fmt.Errorf("a full queue: TryPut returns %w", err)
	}
	if state, err := w.state(ctx); err != nil || state != line("x", "y", "z") {
		return fmt.Errorf("put x y z and found %s, %w", state, err)
	}
	return w.q.Join(ctx)
}
