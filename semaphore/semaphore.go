package semaphore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/shm"
)

var (
	// ErrNoPermit is returned by TryAcquire when too few permits are free.
	ErrNoPermit = permit.ErrNoPermit
	// ErrNotHeld is returned by Release when this process holds fewer permits.
	ErrNotHeld = permit.ErrNotHeld
)

// openTimeout bounds how long UnmarshalText waits.
const openTimeout = 10 * time.Second

type base = handle.Handle

// Semaphore is a count of permits that processes share. Its methods may be called
// at once by any number of goroutines and processes. The zero Semaphore is a
// closed one; UnmarshalText makes it one to use.
type Semaphore struct {
	base
	permits *permit.Semaphore
	quick   permit.Quick
}

// Create makes the semaphore name in seg. It fails with fs.ErrExist if an object
// has that name, fs.ErrInvalid if the name or spec is impossible, or a
// *shm.SpaceError. It waits only for the segment's other structural changes.
func Create(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Semaphore, error) {
	req, err := spec.request(name)
	if err != nil {
		return nil, err
	}
	return attach(handle.Create(ctx, seg, req))
}

// Open opens the semaphore name in seg. It fails with fs.ErrNotExist if there is
// none, or a *shm.IncompatibleError if the name is another kind of object's.
func Open(ctx context.Context, seg *shm.Segment, name string) (*Semaphore, error) {
	req, err := Spec{}.request(name)
	if err != nil {
		return nil, err
	}
	return attach(handle.Open(ctx, seg, req))
}

// OpenOrCreate opens the semaphore name in seg, with the permits that are free in
// it now, or makes it. It fails with a *shm.IncompatibleError if there is one that
// differs in a field that spec names, and otherwise as Create and Open do.
func OpenOrCreate(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Semaphore, error) {
	req, err := spec.request(name)
	if err != nil {
		return nil, err
	}
	return attach(handle.OpenOrCreate(ctx, seg, req))
}

func attach(h handle.Handle, err error) (*Semaphore, error) {
	if err != nil {
		return nil, err
	}
	p, err := permit.New(handle.UseOf(&h), handle.ObjectOf(&h))
	if err != nil {
		return nil, fmt.Errorf("semaphore: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &Semaphore{base: h, permits: p, quick: p.Quick()}, nil
}

// UnmarshalText makes s the semaphore that text, from MarshalText of any process,
// names. It opens the segment if need be, and waits for that at most ten seconds.
// Nobody may use s meanwhile.
func (s *Semaphore) UnmarshalText(text []byte) error {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	opened, err := Open(ctx, seg, name)
	if err != nil {
		return err
	}
	*s = *opened
	return nil
}

// Acquire waits until this process has n permits, all or none. Nobody starves:
// newcomers make way for who has waited 1 ms, and a request for many permits
// gathers them as they become free. What a process holds it should therefore not
// add to while others wait for many: it would wait for them, and they for it.
//
// It fails with fs.ErrInvalid at once if n < 1 or more than there can be, ctx.Err()
// (always if ctx is done, even if permits are free), fs.ErrClosed when the segment
// is closed here, fs.ErrPermission if it is read-only, or a *shm.CorruptError. Then
// nothing was taken. Acquire synchronizes after the Release that returned what it
// takes. If this process dies inside, or holding permits of a Bounded semaphore,
// they are free again at once; what it took of a Signal one is gone with it.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	var err error
	object.Inline(s.quick.Use, func(u *object.Use) {
		if u != nil && ctx.Err() == nil {
			if mapping := u.Pin(); mapping != nil && s.quick.Take(n) {
				if s.quick.Use.Pin() != mapping { // which this keeps: see object.Mapping.Void; and s, whose memory it is
					err = s.late(mapping, n)
				} else if race.Enabled {
					s.quick.Taken()
				}
				return
			}
		}
		err = s.acquire(ctx, n)
	})
	return err
}

// TryAcquire is Acquire without waiting: it fails with ErrNoPermit if fewer than n
// permits are free, or if they are left to somebody who has waited long.
func (s *Semaphore) TryAcquire(n int) error {
	var err error
	object.Inline(s.quick.Use, func(u *object.Use) {
		if u != nil {
			if mapping := u.Pin(); mapping != nil && s.quick.Take(n) {
				if s.quick.Use.Pin() != mapping {
					err = s.late(mapping, n)
				} else if race.Enabled {
					s.quick.Taken()
				}
				return
			}
		}
		err = s.tryAcquire(n)
	})
	return err
}

// Release gives n permits back, or adds them if the semaphore is of the Signal
// kind, and wakes as many waiters. Any goroutine of the process may release what
// another acquired. It never blocks.
//
// It fails with fs.ErrInvalid if n < 1, or if a Signal semaphore would have more
// than 2147483647; ErrNotHeld if this process holds fewer than n permits of a
// Bounded one; fs.ErrClosed, fs.ErrPermission or a *shm.CorruptError. Then nothing
// changes. If this process dies inside, permits of a Bounded semaphore come back
// in any case; a Signal one has got all n, or none.
func (s *Semaphore) Release(n int) error {
	var err error
	object.Inline(s.quick.Use, func(u *object.Use) {
		if u != nil {
			if mapping := u.Pin(); mapping != nil {
				if race.Enabled {
					s.quick.Giving()
				}
				if s.quick.Give(n) {
					if s.quick.Awaited() || mapping.Void() {
						s.permits.Ring(mapping, n)
					}
					return
				}
			}
		}
		err = s.release(n)
	})
	return err
}

// Do calls f holding n permits, and releases them when f returns, panics or ends
// its goroutine. It returns the error of Acquire, without having called f, or
// those of f and of Release.
func (s *Semaphore) Do(ctx context.Context, n int, f func() error) (err error) {
	if s.permits == nil {
		return fs.ErrClosed
	}
	mapping := handle.UseOf(&s.base).Pin()
	defer object.Unpin(mapping)
	if err := s.Acquire(ctx, n); err != nil {
		return err
	}
	defer func() { // also if f closes the segment: the process may have another use of it, and so still hold them
		if dropped := s.permits.Drop(n); dropped != nil {
			err = errors.Join(err, handle.Err(&s.base, dropped))
		}
	}()
	return f()
}

// Available returns how many permits are free now; 0 after Close. It never blocks.
func (s *Semaphore) Available() int { return s.permits.Available() }

// Held returns how many permits this process holds; 0 for the Signal kind, and
// after Close. It never blocks.
func (s *Semaphore) Held() int { return s.permits.Held() }

// Spec returns the semaphore's geometry as stored.
func (s *Semaphore) Spec() Spec {
	obj := handle.ObjectOf(&s.base)
	if obj == nil {
		return Spec{}
	}
	return specOf(obj.Shape.Spec)
}
