package queue

import "context"

// Ready returns a channel, always the same one, for select: it yields when a
// message may be there. Follow it with a Try method, which may still find that
// the queue is empty. The channel is closed once the queue is shut down and
// drained, or when the segment is closed.
func (q *Queue[T]) Ready() <-chan struct{} {
	if q.port == nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return q.port.Ready()
}

// Shutdown ends the queue for every process: puts fail with ErrShutdown, gets
// take what is there and then fail so. A loan that was reserved before can still
// be published. Shutdown never blocks; a second one is nil. It fails with
// fs.ErrClosed or fs.ErrPermission. If the process dies inside, the queue is shut
// down or not, and nobody hangs.
//
// There is no Close: a handle needs none.
func (q *Queue[T]) Shutdown() error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	q.port.Shutdown()
	q.exit(m)
	return nil
}

// Join waits until the queue is empty and every delivery is acknowledged. It
// fails with ctx.Err(), fs.ErrClosed or fs.ErrPermission. A death cannot hang it:
// what a dead worker had is delivered again, and done by another.
func (q *Queue[T]) Join(ctx context.Context) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	err = q.port.Join(ctx)
	if err == nil && q.use.Closed() {
		err = q.closed() // what was empty may have been another memory
	}
	q.exit(m)
	return q.fail(err)
}
