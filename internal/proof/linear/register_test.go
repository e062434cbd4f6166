//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The operations of registers.
const (
	load = iota
	store
	update // in: the new number; out: the one before
	add    // in: the summand; out: the sum
	swap
	compare // in: old and new; out: 1 if it did
	and
	or
)

var registerNames = []string{"Load", "Store", "Update", "Add", "Swap", "CompareAndSwap", "And", "Or"}

// registers is how many there are: what happens to each is checked for itself.
const registers = 2

// The first input of an operation has the register's number in its upper bits.
const registerShift = 56

func registerOf(c *call) int { return int(c.in[0] >> registerShift) }

// checkRegisters is the model: a number. Mask is its range.
func checkRegisters(h *history, mask uint64) []part {
	list := make([]part, registers)
	sp := spec[uint64]{
		next: func(s uint64, x step) []uint64 { return nextRegister(s, x.call, mask) },
		show: func(s uint64) string { return fmt.Sprintf("%#x", s) },
	}
	for i := range list {
		list[i].model = sp.model()
	}
	for i := range h.calls {
		c := &h.calls[i]
		p := &list[registerOf(c)]
		p.operations = append(p.operations, within(step{call: c, describe: describeRegister}, c.lane, c.begin, c.end))
	}
	return list
}

func describeRegister(x step) string {
	text := fmt.Sprintf("%s(%#x, %#x)", registerNames[x.op], x.in[0]&(1<<registerShift-1), x.in[1])
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %#x", text, x.code, x.out[0])
}

// nextRegister says what s may become by c. What was pending did it or did not.
func nextRegister(s uint64, c *call, mask uint64) []uint64 {
	x := c.in[0] & (1<<registerShift - 1)
	n, out := s, s
	switch c.op {
	case load:
	case store:
		n, out = x, 0
	case update, swap:
		n = x
	case add:
		n = (s + x) & mask
		out = n
	case compare:
		if out = 0; s == x {
			n, out = c.in[1], 1
		}
	case and:
		n = s & x
	case or:
		n = s | x
	}
	switch {
	case c.pending:
		return []uint64{s, n}
	case c.code == gaveUp:
		return []uint64{s}
	case c.code == failed:
		return only(c.out[0] == s, s)
	case c.code == torn:
		return nil
	}
	return only(c.out[0] == out, n)
}

func registerName(name string, i int) string { return fmt.Sprintf("%s-%d", name, i) }

// page is a value that shows if it is torn. Small is kept beside the version,
// large is not.
type page[A any] struct {
	Number uint64
	Fill   A
}

type small = page[[3]uint64]

type pages[P any] struct {
	build func(uint64) P
	read  func(*P) (n uint64, whole bool)
	mix   func(rest, number P) P
}

func pagesOf[A any](words func(*A) []uint64) pages[page[A]] {
	fill := func(n uint64, i int) uint64 { return n*0x9e3779b97f4a7c15 + uint64(i)*min(n, 1) }
	return pages[page[A]]{
		build: func(n uint64) page[A] {
			p := page[A]{Number: n}
			for i, w := 0, words(&p.Fill); i < len(w); i++ {
				w[i] = fill(n, i)
			}
			return p
		},
		read: func(p *page[A]) (uint64, bool) {
			for i, w := range words(&p.Fill) {
				if w != fill(p.Number, i) {
					return 0, false
				}
			}
			return p.Number, true
		},
		mix: func(rest, number page[A]) page[A] { return page[A]{number.Number, rest.Fill} },
	}
}

var (
	smallPages = pagesOf(func(a *[3]uint64) []uint64 { return a[:] })
	largePages = pagesOf(func(a *[40]uint64) []uint64 { return a[:] })
)

func valueKind() kind {
	return kind{
		name: "value", variants: 2,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			if variant == 0 {
				return createValues(ctx, seg, name, smallPages)
			}
			return createValues(ctx, seg, name, largePages)
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			if variant == 0 {
				return openValues(ctx, seg, name, smallPages)
			}
			return openValues(ctx, seg, name, largePages)
		},
		check: func(h *history) []part { return checkRegisters(h, 0) },
	}
}

func createValues[P any](ctx context.Context, seg *shm.Segment, name string, p pages[P]) error {
	for i := range registers {
		if _, err := value.Create(ctx, seg, registerName(name, i), p.build(0)); err != nil {
			return err
		}
	}
	return nil
}

func openValues[P any](ctx context.Context, seg *shm.Segment, name string, p pages[P]) (func(*lane) subject, error) {
	var list [registers]*value.Value[P]
	for i := range list {
		v, err := value.Open[P](ctx, seg, registerName(name, i))
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return func(l *lane) subject { return &valueSubject[P]{lane: l, pages: p, values: list} }, nil
}

type valueSubject[P any] struct {
	*lane
	pages  pages[P]
	values [registers]*value.Value[P]
	seen   [registers]uint64
	// The faults of a broken one.
	stale  bool // it sometimes believes what it has seen before
	halves bool // it stores one half after the other
}

var errRegret = errors.New("changed its mind")

func (s *valueSubject[P]) step() error {
	i := s.rand.IntN(registers)
	v, tag := s.values[i], uint64(i)<<registerShift
	var err error
	switch s.rand.IntN(8) {
	case 0, 1:
		n := s.fresh()
		s.do(store, [2]uint64{tag | n}, func() result {
			if s.halves {
				err = s.storeHalf(v, n)
			}
			err = errors.Join(err, v.Store(s.ctx, s.pages.build(n)))
			return result{}
		})
	case 2:
		err = s.update(v, tag, s.fresh(), nil)
	case 3:
		if err = s.update(v, tag, s.fresh(), errRegret); errors.Is(err, errRegret) {
			err = nil
		}
	case 4:
		s.do(load, [2]uint64{tag}, func() result {
			ctx, cancel := s.briefly()
			defer cancel()
			p, failure := v.Wait(ctx, func(p P) bool {
				n, _ := s.pages.read(&p)
				return n != s.seen[i]
			})
			if failure != nil {
				return result{code: gaveUp}
			}
			return s.look(i, &p)
		})
	default:
		s.load(i)
	}
	return err
}

func (s *valueSubject[P]) look(i int, p *P) result {
	n, whole := s.pages.read(p)
	if !whole {
		return result{code: torn}
	}
	s.seen[i] = n
	return result{out: [2]uint64{n}}
}

func (s *valueSubject[P]) load(i int) {
	s.do(load, [2]uint64{uint64(i) << registerShift}, func() result {
		if s.stale && s.rand.IntN(2) == 0 {
			return result{out: [2]uint64{s.seen[i]}}
		}
		p := s.values[i].Load()
		return s.look(i, &p)
	})
}

// storeHalf stores what has the number n and the rest of what was there.
func (s *valueSubject[P]) storeHalf(v *value.Value[P], n uint64) error {
	p := v.Load()
	p = s.pages.mix(p, s.pages.build(n))
	return v.Store(s.ctx, p)
}

func (s *valueSubject[P]) update(v *value.Value[P], tag, n uint64, fail error) error {
	var err error
	s.do(update, [2]uint64{tag | n}, func() result {
		var r result
		err = v.Update(s.ctx, func(p *P) error {
			old, whole := s.pages.read(p)
			if r.out[0] = old; !whole {
				r.code = torn
			}
			*p = s.pages.build(n)
			return fail
		})
		if err != nil && r.code == done {
			r.code = failed
		}
		return r
	})
	return err
}

func (s *valueSubject[P]) finish() error { return nil }

func (s *valueSubject[P]) audit() error {
	for i := range s.values {
		s.load(i)
	}
	return nil
}

func atomicKind() kind {
	return kind{
		name: "atomic", variants: 2,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			if variant == 0 {
				return createAtomics[uint64](ctx, seg, name)
			}
			return createAtomics[uint32](ctx, seg, name)
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			if variant == 0 {
				return openAtomics[uint64](ctx, seg, name)
			}
			return openAtomics[uint32](ctx, seg, name)
		},
		check: func(h *history) []part {
			if h.variant == 0 {
				return checkRegisters(h, 1<<64-1)
			}
			return checkRegisters(h, 1<<32-1)
		},
	}
}

func createAtomics[T uint32 | uint64](ctx context.Context, seg *shm.Segment, name string) error {
	for i := range registers {
		if _, err := value.CreateAtomic[T](ctx, seg, registerName(name, i), 0); err != nil {
			return err
		}
	}
	return nil
}

func openAtomics[T uint32 | uint64](ctx context.Context, seg *shm.Segment, name string) (func(*lane) subject, error) {
	var list [registers]*value.Atomic[T]
	for i := range list {
		a, err := value.OpenAtomic[T](ctx, seg, registerName(name, i))
		if err != nil {
			return nil, err
		}
		list[i] = a
	}
	return func(l *lane) subject { return &atomicSubject[T]{l, list, [registers]T{}} }, nil
}

type atomicSubject[T uint32 | uint64] struct {
	*lane
	atomics [registers]*value.Atomic[T]
	seen    [registers]T
}

// argument returns a number that is not so rare that no exchange ever succeeds.
func (s *atomicSubject[T]) argument() T {
	if s.rand.IntN(2) == 0 {
		return T(s.rand.IntN(4))
	}
	return T(s.rand.Uint32() & 0xffffff)
}

func (s *atomicSubject[T]) step() error {
	i := s.rand.IntN(registers)
	a, x, y := s.atomics[i], s.argument(), s.argument()
	op := uint32(s.rand.IntN(len(registerNames)))
	if op == compare && s.rand.IntN(4) > 0 {
		x = s.seen[i]
	}
	if op == update {
		s.wait(i)
		return nil
	}
	s.do(op, [2]uint64{uint64(i)<<registerShift | uint64(x), uint64(y)}, func() result {
		var out T
		switch op {
		case load:
			out = a.Load()
			s.seen[i] = out
		case store:
			a.Store(x)
		case add:
			out = a.Add(x)
			s.seen[i] = out
		case swap:
			out = a.Swap(x)
		case compare:
			if a.CompareAndSwap(x, y) {
				out = 1
			}
		case and:
			out = value.And(a, x)
		case or:
			out = value.Or(a, x)
		}
		return result{out: [2]uint64{uint64(out)}}
	})
	return nil
}

func (s *atomicSubject[T]) wait(i int) {
	s.do(load, [2]uint64{uint64(i) << registerShift}, func() result {
		ctx, cancel := s.briefly()
		defer cancel()
		x, err := s.atomics[i].Wait(ctx, func(x T) bool { return x != s.seen[i] })
		if err != nil {
			return result{code: gaveUp}
		}
		s.seen[i] = x
		return result{out: [2]uint64{uint64(x)}}
	})
}

func (s *atomicSubject[T]) finish() error { return nil }

func (s *atomicSubject[T]) audit() error {
	for i, a := range s.atomics {
		s.do(load, [2]uint64{uint64(i) << registerShift}, func() result {
			return result{out: [2]uint64{uint64(a.Load())}}
		})
	}
	return nil
}
