package queue

import "github.com/shoal-ipc/shoal/internal/ring"

// Port returns the queue without types.
func (q *Queue[T]) Port() *ring.Port { return q.port }
