//go:build linux

package linear

import (
	"context"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

// arrayKind is elements of arrays as registers: of 8 bytes, which At and Set read
// and write whole, and atomic ones.
func arrayKind() kind {
	spec := array.Spec{Len: registers}
	return kind{
		name: "array", variants: 2,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			if variant == 0 {
				_, err := array.Create[uint64](ctx, seg, name, spec)
				return err
			}
			_, err := array.CreateAtomic[uint64](ctx, seg, name, spec)
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			if variant == 0 {
				a, err := array.Open[uint64](ctx, seg, name)
				return func(l *lane) subject { return &arraySubject{lane: l, plain: a} }, err
			}
			a, err := array.OpenAtomic[uint64](ctx, seg, name)
			return func(l *lane) subject { return &arraySubject{lane: l, atomic: a} }, err
		},
		check: func(h *history) []part { return checkRegisters(h, 1<<64-1) },
	}
}

type arraySubject struct {
	*lane
	plain  *array.Array[uint64]
	atomic *array.Atomic[uint64] // one of them is nil
	seen   [registers]uint64
}

func (s *arraySubject) step() error {
	i := s.rand.IntN(registers)
	x, y := uint64(s.rand.IntN(1<<20)), uint64(s.rand.IntN(1<<20))
	op := []uint32{load, store}[s.rand.IntN(2)]
	if s.atomic != nil {
		op = []uint32{load, store, add, swap, compare}[s.rand.IntN(5)]
	}
	if op == compare {
		x = s.seen[i]
	}
	s.do(op, [2]uint64{uint64(i)<<registerShift | x, y}, func() result {
		return result{out: [2]uint64{s.use(op, i, x, y)}}
	})
	return nil
}

func (s *arraySubject) use(op uint32, i int, x, y uint64) (out uint64) {
	switch {
	case op == load:
		out = s.at(i)
		s.seen[i] = out
	case op == store && s.plain != nil:
		s.plain.Set(i, x)
	case op == store:
		s.atomic.Store(i, x)
	case op == add:
		out = s.atomic.Add(i, x)
	case op == swap:
		out = s.atomic.Swap(i, x)
	case s.atomic.CompareAndSwap(i, x, y):
		out = 1
	}
	return out
}

func (s *arraySubject) at(i int) uint64 {
	if s.plain != nil {
		return s.plain.At(i)
	}
	return s.atomic.Load(i)
}

func (s *arraySubject) finish() error { return nil }

func (s *arraySubject) audit() error {
	for i := range registers {
		s.do(load, [2]uint64{uint64(i) << registerShift}, func() result { return result{out: [2]uint64{s.at(i)}} })
	}
	return nil
}
