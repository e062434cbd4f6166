//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a table. In: the number, of those that have one.
const (
	allocate = iota // out: the number
	allocateAt
	free
)

var tableNames = []string{"Alloc", "AllocAt", "Free"}

// numbersOf is how many a table has, by variant.
func numbersOf(variant int) int { return variant + 1 }

func tableKind() kind {
	return kind{
		name: "table", variants: 3,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			_, err := lock.CreateTable(ctx, seg, name, lock.TableSpec{Len: numbersOf(variant)})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			t, err := lock.OpenTable(ctx, seg, name)
			return func(l *lane) subject { return &tableSubject{lane: l, t: t} }, err
		},
		check: func(h *history) []part {
			sp := spec[uint8]{
				next: func(taken uint8, x step) []uint8 { return nextTable(taken, x.call, numbersOf(h.variant)) },
				show: func(taken uint8) string { return fmt.Sprintf("taken: %b", taken) },
			}
			return []part{{sp.model(), h.steps(describeTable, one[*call], func(death) int { return 0 })}}
		},
	}
}

func describeTable(x step) string {
	if x.pending {
		return fmt.Sprintf("%s(%d) killed", tableNames[x.op], x.in[0])
	}
	return fmt.Sprintf("%s(%d): %d %d", tableNames[x.op], x.in[0], x.code, x.out[0])
}

// nextTable says which of n numbers may be taken after c, if those are that taken
// says. A number stays taken, whoever dies.
func nextTable(taken uint8, c *call, n int) []uint8 {
	it := uint8(1) << c.in[0]
	switch {
	case c.pending && c.op == allocate:
		list := []uint8{taken}
		for i := range n {
			if x := uint8(1) << i; taken&x == 0 {
				list = append(list, taken|x)
			}
		}
		return list
	case c.pending && c.op == allocateAt:
		return []uint8{taken, taken | it}
	case c.pending:
		return []uint8{taken, taken &^ it}
	case c.op == allocate && c.code == refused: // all were taken at one instant
		return only(taken == 1<<n-1, taken)
	case c.op == allocate:
		it = uint8(1) << c.out[0]
		return only(c.code == done && taken&it == 0, taken|it)
	case c.op == allocateAt && c.code == refused:
		return only(taken&it != 0, taken)
	case c.op == allocateAt:
		return only(c.code == done && taken&it == 0, taken|it)
	case c.code == notMine:
		return only(taken&it == 0, taken)
	}
	return only(c.code == done && taken&it != 0, taken&^it)
}

type tableSubject struct {
	*lane
	t *lock.Table
	// hasty has it call a table full whose first number is taken: a fault.
	hasty bool
}

func (s *tableSubject) step() error {
	i := s.rand.IntN(s.t.Len())
	switch s.rand.IntN(5) {
	case 0, 1:
		return s.call(allocate, 0, func() (int, error) {
			if s.hasty && s.t.AllocAt(0) != nil {
				return 0, lock.ErrTableFull
			} else if s.hasty {
				return 0, nil
			}
			return s.t.Alloc()
		})
	case 2:
		return s.call(allocateAt, i, func() (int, error) { return 0, s.t.AllocAt(i) })
	}
	return s.call(free, i, func() (int, error) { return 0, s.t.Free(i) })
}

func (s *tableSubject) call(op uint32, i int, f func() (int, error)) error {
	var err error
	s.do(op, [2]uint64{uint64(i)}, func() result {
		var got int
		got, err = f()
		switch {
		case errors.Is(err, lock.ErrTableFull), errors.Is(err, fs.ErrExist):
			err = nil
			return result{code: refused}
		case errors.Is(err, fs.ErrNotExist):
			err = nil
			return result{code: notMine}
		case err != nil:
			return result{code: torn}
		}
		return result{out: [2]uint64{uint64(got)}}
	})
	return err
}

func (s *tableSubject) finish() error { return nil }

// audit takes whatever is free.
func (s *tableSubject) audit() error {
	for i := range s.t.Len() {
		if err := s.call(allocateAt, i, func() (int, error) { return 0, s.t.AllocAt(i) }); err != nil {
			return err
		}
	}
	return s.call(allocate, 0, s.t.Alloc)
}
