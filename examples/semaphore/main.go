// Semaphore lets two of five child processes work at the same time.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

type args struct {
	Permits *semaphore.Semaphore
	Pause   time.Duration
}

// worker is registered as "Process", so that its children are called Process-1 and so on.
var worker = process.Func("Process", func(ctx context.Context, a args) error {
	return a.Permits.Do(ctx, 1, func() error {
		fmt.Println(process.Name(), "acquired")
		select { // the work
		case <-time.After(a.Pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		fmt.Print(process.Name(), " released\n\n")
		return nil
	})
})

func main() {
	process.Main()
	pause := flag.Duration("pause", 2*time.Second, "how long each process works")
	flag.Parse()
	if err := run(context.Background(), *pause); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, pause time.Duration) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	permits, err := semaphore.Create(ctx, seg, "workers", semaphore.Spec{Permits: 2})
	if err != nil {
		return err
	}
	var children []*process.Child
	for range 5 {
		child, err := worker.Start(ctx, args{permits, pause})
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	return process.Wait(ctx, children...)
}
