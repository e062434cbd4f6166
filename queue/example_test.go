package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

func anonymous() *shm.Segment {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	return seg
}

// Job has a string, so it is encoded on its way.
type Job struct {
	ID    string
	Fails int // so often
}

// worker runs what is urgent or else normal until both queues are shut down and
// drained.
type worker struct {
	urgent, normal *queue.Queue[Job]
}

func (w *worker) run(ctx context.Context) error {
	late := time.NewTicker(time.Hour)
	defer late.Stop()
	urgent, normal := w.urgent.Ready(), w.normal.Ready()
	for urgent != nil || normal != nil {
		var err error
		select {
		case <-urgent:
			if err = work(w.urgent); errors.Is(err, queue.ErrShutdown) {
				urgent, err = nil, nil
			}
		case <-normal:
			if err = work(w.normal); errors.Is(err, queue.ErrShutdown) {
				normal, err = nil, nil
			}
		case <-late.C:
			log.Print(w.normal.Len(), " jobs wait")
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// work runs one job. A process that is killed in here, at whatever point, leaves
// the job to another one.
func work(jobs *queue.Queue[Job]) error {
	d, err := jobs.TryReceive()
	if errors.Is(err, queue.ErrEmpty) {
		return nil // another worker was faster
	}
	if err != nil {
		return err
	}
	defer d.Nack() // does nothing once acknowledged
	job := d.Value()
	switch {
	case d.Attempt() > 3:
		fmt.Println("giving up on", job.ID)
	case d.Attempt() <= job.Fails:
		return nil // and is tried again
	default:
		fmt.Println(job.ID, "done at attempt", d.Attempt())
	}
	return d.Ack()
}

// Jobs that survive their workers, from two queues.
func ExampleQueue_Ready() {
	ctx, seg := context.Background(), anonymous()
	defer seg.Close()
	urgent, err := queue.Create[Job](ctx, seg, "urgent", queue.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	normal, err := queue.Create[Job](ctx, seg, "normal", queue.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	for _, job := range []Job{{"a", 0}, {"b", 2}, {"c", 99}} {
		if err := normal.Put(ctx, job); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(urgent.Shutdown(), normal.Shutdown()); err != nil {
		log.Fatal(err)
	}
	w := worker{urgent: urgent, normal: normal}
	if err := w.run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// a done at attempt 1
	// b done at attempt 3
	// giving up on c
}

// Frame is built and read where it lies: no copy of it is ever made.
type Frame struct {
	Seq uint64
	Pix [64 << 10]byte
}

// film puts all that camera gives, one frame after the other.
func film(ctx context.Context, frames *queue.Queue[Frame], camera io.Reader) error {
	for seq := uint64(0); ; seq++ {
		err := frames.PutFunc(ctx, func(f *Frame) error {
			f.Seq = seq
			_, err := io.ReadFull(camera, f.Pix[:])
			return err // an error puts nothing
		})
		if errors.Is(err, io.EOF) {
			return frames.Shutdown()
		}
		if err != nil {
			return errors.Join(err, frames.Shutdown())
		}
	}
}

// Large messages without a copy.
func ExampleQueue_PutFunc() {
	ctx, seg := context.Background(), anonymous()
	defer seg.Close()
	frames, err := queue.Create[Frame](ctx, seg, "frames", queue.Spec{Cap: 2})
	if err != nil {
		log.Fatal(err)
	}
	filmed := make(chan error, 1)
	go func() { // usually in another process
		filmed <- film(ctx, frames, bytes.NewReader(make([]byte, 3*64<<10)))
	}()
	for {
		err := frames.GetFunc(ctx, func(f *Frame) error {
			fmt.Println("frame", f.Seq, len(f.Pix), "bytes")
			return nil // nil ends the message; after an error another consumer gets it
		})
		if errors.Is(err, queue.ErrShutdown) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := <-filmed; err != nil {
		log.Fatal(err)
	}
	// Output:
	// frame 0 65536 bytes
	// frame 1 65536 bytes
	// frame 2 65536 bytes
}
