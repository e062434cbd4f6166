//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// lane is a queue of any type of messages.
type lane interface {
	create(ctx context.Context, seg *shm.Segment, name string, spec queue.Spec) (lane, error)
	open(ctx context.Context, seg *shm.Segment, name string) (lane, error)
	putter(g *gate, j journal, stream uint32, seq *uint32) stepper
	taker(g *gate, j journal, ways int, fault string) stepper
	// drain takes what is left.
	drain(j journal) error
	spec() queue.Spec
	// room puts and lends what fits, takes all back, and says how much it was.
	room() (string, error)
}

// stepper does one thing.
type stepper interface {
	step(ctx context.Context) error
}

type laneOf[T any] struct {
	kit   kit[T]
	large func() T // as large as a message may be
	q     *queue.Queue[T]
}

func (l laneOf[T]) create(ctx context.Context, seg *shm.Segment, name string, spec queue.Spec) (lane, error) {
	q, err := queue.Create[T](ctx, seg, name, spec)
	return laneOf[T]{l.kit, l.large, q}, err
}

func (l laneOf[T]) open(ctx context.Context, seg *shm.Segment, name string) (lane, error) {
	q, err := queue.Open[T](ctx, seg, name)
	return laneOf[T]{l.kit, l.large, q}, err
}

func (l laneOf[T]) putter(g *gate, j journal, stream uint32, seq *uint32) stepper {
	return &putter[T]{j, g, l.q, l.kit, stream, seq}
}

func (l laneOf[T]) taker(g *gate, j journal, ways int, fault string) stepper {
	return &taker[T]{j, g, l.q, l.kit, ways, fault}
}

func (l laneOf[T]) spec() queue.Spec { return l.q.Spec() }

func (l laneOf[T]) drain(j journal) error {
	c := &taker[T]{journal: j, gate: new(gate), q: l.q, kit: l.kit}
	for {
		switch err := c.one(l.q.TryGet); {
		case errors.Is(err, queue.ErrEmpty):
			if n := l.q.Len(); n != 0 {
				return fmt.Errorf("%d messages are left that cannot be got", n)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

func (l laneOf[T]) room() (text string, err error) {
	for _, x := range []T{*new(T), l.large()} {
		puts, loans := 0, 0
		for err = error(nil); err == nil; puts++ {
			err = l.q.TryPut(x)
		}
		if !errors.Is(err, queue.ErrFull) {
			return "", err
		}
		for range puts - 1 {
			if _, err := l.q.TryGet(); err != nil {
				return "", err
			}
		}
		var list []queue.Loan[T]
		for err = error(nil); err == nil; loans++ {
			var loan queue.Loan[T]
			loan, err = l.q.TryReserve()
			list = append(list, loan)
		}
		if !errors.Is(err, queue.ErrFull) {
			return "", err
		}
		for _, loan := range list {
			loan.Abandon()
		}
		text += fmt.Sprintf("%d messages, %d loans; ", puts-1, loans-1)
	}
	return text, nil
}

// lanes are the types of messages, each in a queue of its own, and what sizes its
// queue may have.
var lanes = []struct {
	name  string
	lane  lane
	specs []queue.Spec
}{
	{"small", smallLane, []queue.Spec{{Cap: 1}, {Cap: 3}, {Cap: 64}}},
	{
		"bytes",
		laneOf[[]byte]{kit: bytesKit(20000), large: func() []byte { return make([]byte, 20000) }},
		[]queue.Spec{
			{Cap: 2, SlotSize: 256, MaxSize: 20000, Heap: 30000},
			{Cap: 64, SlotSize: 256, MaxSize: 20000, Heap: 60000},
			{Cap: 1, SlotSize: 4096, MaxSize: 20000, Heap: 20000},
			{Cap: 3, SlotSize: 4096, MaxSize: 20000, Heap: 50000},
		},
	},
	{
		"letters",
		laneOf[letter]{kit: letterKit(), large: func() letter { return write(1, 299) }},
		[]queue.Spec{{Cap: 2, MaxSize: 4096}, {Cap: 64, SlotSize: 128, MaxSize: 4096}},
	},
	{"pair", smallLane, []queue.Spec{{Cap: 2, Mode: queue.SPSC}, {Cap: 64, Mode: queue.SPSC}}},
	{
		"large",
		laneOf[parcel[[5000]uint32]]{
			kit:   fixedKit(func(w *[5000]uint32) []uint32 { return w[:] }),
			large: func() parcel[[5000]uint32] { return parcel[[5000]uint32]{} },
		},
		[]queue.Spec{{Cap: 2}},
	},
}

var smallLane = laneOf[parcel[[5]uint32]]{
	kit:   fixedKit(func(w *[5]uint32) []uint32 { return w[:] }),
	large: func() parcel[[5]uint32] { return parcel[[5]uint32]{} },
}

func createLanes(ctx context.Context, r *rand.Rand, seg *shm.Segment) error {
	for _, l := range lanes {
		if _, err := l.lane.create(ctx, seg, "queue/"+l.name, l.specs[r.IntN(len(l.specs))]); err != nil {
			return err
		}
	}
	return nil
}
