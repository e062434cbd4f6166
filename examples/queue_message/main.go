// Queue_message sends a message to a child process that waits for one.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

var worker = process.Func("worker", func(ctx context.Context, q *queue.Queue[string]) error {
	message, err := q.Get(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("Received %s from main process\n", message)
	return err
})

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	q, err := queue.Create[string](ctx, seg, "messages", queue.Spec{})
	if err != nil {
		return err
	}
	child, err := worker.Start(ctx, q)
	if err != nil {
		return err
	}
	if err := q.Put(ctx, "Hello Worker Process!"); err != nil {
		return err
	}
	return child.Wait(ctx)
}
