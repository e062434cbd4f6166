package semaphore

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
)

// What a Semaphore does where the quick way, which is part of its callers' code, ends.

// acquire is Acquire the long way.
func (s *Semaphore) acquire(ctx context.Context, n int) error {
	if err := s.permits.Acquire(ctx, n); err != nil {
		return handle.Err(&s.base, err)
	}
	return nil
}

// tryAcquire is TryAcquire the long way.
func (s *Semaphore) tryAcquire(n int) error {
	if err := s.permits.TryAcquire(n); err != nil {
		return handle.Err(&s.base, err)
	}
	return nil
}

// release is Release the long way.
func (s *Semaphore) release(n int) error {
	if err := s.permits.Release(n); err != nil {
		return handle.Err(&s.base, err)
	}
	return nil
}

// late gives back n permits that were taken when the segment was just closed.
func (s *Semaphore) late(mapping *object.Mapping, n int) error {
	err := handle.Err(&s.base, s.permits.GiveBack(n))
	object.Unpin(mapping)
	return err
}
