//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

// A map is checked key by key: each is a number, 0 if the key is not there. There
// are as many entries as keys, so that those of one come to another all the time.
// Beside those of registers it has these operations.
const (
	loadOrStore = 100 + iota // in: the new number; out: what is there then
	replace                  // in: old and new number; out: 1 if it did, which it never does to a key that is not there
)

func mapKind() kind {
	return kind{
		name: "map", variants: 2,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			if variant == 0 {
				return createMap[small](ctx, seg, name)
			}
			return createMap[large](ctx, seg, name)
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			if variant == 0 {
				return openMap(ctx, seg, name, smallPages)
			}
			return openMap(ctx, seg, name, largePages)
		},
		check: checkMap,
	}
}

type large = page[[40]uint64]

func checkMap(h *history) []part {
	list := make([]part, registers)
	sp := spec[uint64]{next: nextEntry, show: func(s uint64) string { return fmt.Sprintf("%#x", s) }}
	for i := range list {
		list[i].model = sp.model()
	}
	for i := range h.calls {
		c := &h.calls[i]
		p := &list[registerOf(c)]
		p.operations = append(p.operations, within(step{call: c, describe: describeEntry}, c.lane, c.begin, c.end))
	}
	return list
}

func describeEntry(x step) string {
	name := map[uint32]string{loadOrStore: "LoadOrStore", replace: "CompareAndSwap"}[x.op]
	if name == "" {
		name = registerNames[x.op]
	}
	text := fmt.Sprintf("%s(%#x, %#x)", name, x.in[0]&(1<<registerShift-1), x.in[1])
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %#x", text, x.code, x.out[0])
}

// nextEntry says what the number s of a key may become by a call.
func nextEntry(s uint64, x step) []uint64 {
	c, in := x.call, x.in[0]&(1<<registerShift-1)
	n, out := s, s
	switch c.op {
	case loadOrStore:
		if s == 0 {
			n, out = in, in
		}
	case replace:
		if out = 0; s == in && s != 0 {
			n, out = c.in[1], 1
		}
	default:
		return nextRegister(s, c, 0)
	}
	switch {
	case c.pending:
		return []uint64{s, n}
	case c.code != done:
		return nil
	}
	return only(c.out[0] == out, n)
}

func createMap[P any](ctx context.Context, seg *shm.Segment, name string) error {
	_, err := kv.Create[string, P](ctx, seg, name, kv.Spec{Cap: registers, KeySize: 20})
	return err
}

func openMap[P any](ctx context.Context, seg *shm.Segment, name string, p pages[P]) (func(*lane) subject, error) {
	m, err := kv.Open[string, P](ctx, seg, name)
	return func(l *lane) subject { return &mapSubject[P]{lane: l, pages: p, m: m} }, err
}

type mapSubject[P any] struct {
	*lane
	pages pages[P]
	m     *kv.Map[string, P]
	seen  [registers]uint64
}

func (s *mapSubject[P]) step() error {
	i := s.rand.IntN(registers)
	key, tag, n := registerName("key", i), uint64(i)<<registerShift, s.fresh()
	var err error
	switch s.rand.IntN(10) {
	case 0, 1:
		s.do(store, [2]uint64{tag | n}, func() result {
			err = s.m.Store(s.ctx, key, s.pages.build(n))
			return result{}
		})
	case 2:
		s.do(store, [2]uint64{tag}, func() result {
			err = s.m.Delete(s.ctx, key)
			return result{}
		})
	case 3:
		err = s.update(key, tag, n)
	case 4:
		s.do(swap, [2]uint64{tag}, func() (r result) {
			x, failure := s.m.LoadAndDelete(s.ctx, key)
			r, err = s.look(i, &x, failure)
			return r
		})
	case 5:
		s.do(loadOrStore, [2]uint64{tag | n}, func() (r result) {
			x, _, failure := s.m.LoadOrStore(s.ctx, key, s.pages.build(n))
			r, err = s.look(i, &x, failure)
			return r
		})
	case 6:
		err = s.exchange(i, key, tag, n)
	case 7:
		s.do(load, [2]uint64{tag}, func() (r result) { r, err = s.search(i, key); return r })
	default:
		err = s.load(i)
	}
	return err
}

// look is what a call has come to that returns a page.
func (s *mapSubject[P]) look(i int, p *P, err error) (result, error) {
	if errors.Is(err, kv.ErrNotFound) {
		s.seen[i] = 0
		return result{}, nil
	}
	n, whole := s.pages.read(p)
	if !whole {
		return result{code: torn}, err
	}
	s.seen[i] = n
	return result{out: [2]uint64{n}}, err
}

func (s *mapSubject[P]) load(i int) (err error) {
	s.do(load, [2]uint64{uint64(i) << registerShift}, func() (r result) {
		x, failure := s.m.Load(registerName("key", i))
		r, err = s.look(i, &x, failure)
		return r
	})
	return err
}

// search is Load by All.
func (s *mapSubject[P]) search(i int, key string) (result, error) {
	found := result{}
	times := 0
	for e, err := range s.m.All() {
		if err != nil {
			return found, err
		}
		if e.Key == key {
			times++
			found, _ = s.look(i, &e.Value, nil)
		}
	}
	if times > 1 {
		return result{code: torn}, nil
	}
	return found, nil
}

func (s *mapSubject[P]) update(key string, tag, n uint64) error {
	var err error
	s.do(update, [2]uint64{tag | n}, func() (r result) {
		err = s.m.Update(s.ctx, key, func(p *P, found bool) error {
			old, whole := s.pages.read(p)
			if r.out[0] = old; !whole || found != (old != 0) {
				r.code = torn
			}
			*p = s.pages.build(n)
			return nil
		})
		return r
	})
	return err
}

// exchange swaps, or deletes, what it has seen last.
func (s *mapSubject[P]) exchange(i int, key string, tag, n uint64) error {
	old := s.pages.build(s.seen[i])
	to := n * uint64(s.rand.IntN(2))
	var err error
	s.do(replace, [2]uint64{tag | s.seen[i], to}, func() (r result) {
		var did bool
		if to == 0 {
			did, err = s.m.CompareAndDelete(s.ctx, key, old)
		} else {
			did, err = s.m.CompareAndSwap(s.ctx, key, old, s.pages.build(n))
		}
		if did {
			r.out[0] = 1
		}
		return r
	})
	return err
}

func (s *mapSubject[P]) finish() error { return nil }

func (s *mapSubject[P]) audit() error {
	var errs []error
	there := 0
	for i := range registers {
		errs = append(errs, s.load(i))
		if s.seen[i] != 0 {
			there++
		}
	}
	if n := s.m.Len(); n != there {
		errs = append(errs, fmt.Errorf("%d entries by Len, and %d", n, there))
	}
	return errors.Join(errs...)
}
